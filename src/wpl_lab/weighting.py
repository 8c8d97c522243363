"""What the anchor of an arm is weighted with."""

from collections.abc import Mapping

from torch import Tensor

from wpl_lab.arm import Arm

Tensors = Mapping[str, Tensor]


def weighting(
    arm: Arm,
    estimates: Mapping[str, Tensors],
    numbers: Mapping[str, float] | None = None,
    *,
    stacked: int = 0,
) -> dict[str, Tensor]:
    """Compute the importance of the weights that an arm anchors.

    It is scaled to the mean of the Fisher information over all these weights of a model, so that
    one strength α is as strong on average in every arm, and one grid of strengths suits all.

    Args:
        arm: One with an anchor.
        estimates: By what it is (``wpl_lab.arm.Estimate``) and the weight's name, what is known
            of the anchored weights; ``fisher`` always.
        numbers: By name, the numbers of the arm's section of params.yaml that it asks for.
        stacked: How many first dimensions of the tensors count models, each scaled on its own.

    Returns:
        By name, the importance in the shapes of the Fisher information; for an arm of the estimate
        ``omega``, a single matrix ``(..., s, s)`` of this name.
    """
    assert arm.importance is not None
    fisher = estimates["fisher"]
    names = estimates["omega"] if "omega" in arm.estimates else fisher
    importance = {
        name: arm.importance(
            **{e: estimates[e][name] for e in arm.estimates if e in arm.arguments},
            **(numbers or {}),
        )
        for name in names
    }
    given = {
        name: i.diagonal(dim1=-2, dim2=-1) if "omega" in arm.estimates else i
        for name, i in importance.items()
    }
    factor = _ratio(_mean(fisher, stacked), _mean(given, stacked))  # (stacked...)
    return {
        name: i * factor.reshape(*factor.shape, *[1] * (i.ndim - stacked))
        for name, i in importance.items()
    }


def _mean(of: Tensors, stacked: int) -> Tensor:
    """Average over all weights of a model."""
    rows = [t.reshape(*t.shape[:stacked], -1) for t in of.values()]
    total = sum((r.sum(-1) for r in rows[1:]), rows[0].sum(-1))
    return total / sum(r.shape[-1] for r in rows)


def _ratio(wanted: Tensor, given: Tensor) -> Tensor:
    """Divide, 0 by 0 giving 0: an importance of 0 everywhere stays one."""
    return (wanted / given).masked_fill(given == 0, 0.0)
