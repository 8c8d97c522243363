"""The importance that weights the anchor of an arm."""

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

    It is scaled so that its mean over all these weights of a model equals that of the Fisher
    information: a strength α is then equally strong on average in every arm, and all arms can use
    the same grid of strengths.

    Args:
        arm: An arm with an anchor.
        estimates: Estimates of the anchored weights, by kind (``wpl_lab.arm.Estimate``) and name
            of the weight, in the shapes of the weights; always with ``fisher``.
        numbers: By name, numbers of the arm's section of params.yaml that its importance takes.
        stacked: Number of leading dimensions that count models, each scaled separately.

    Returns:
        By name, the importance in the shapes of the Fisher information; for the estimate ``omega``,
        a single matrix ``(..., s, s)`` by this name.
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
    """Divide, with 0/0 = 0: an importance of 0 everywhere stays 0."""
    return (wanted / given).masked_fill(given == 0, 0.0)
