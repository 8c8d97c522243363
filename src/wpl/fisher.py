"""Diagonal Fisher information: the mean over samples of the squared per-sample gradient.

For a sample n with input x and label y, the score is g_n = ∂ log p(y | x, θ)/∂θ, one gradient per
*sample*, and F = mean_n g_n², element-wise. Squaring the mean gradient of a batch instead gives
another, smaller quantity (by about the batch size); it is never computed here.
"""

from collections.abc import Iterable
from functools import partial
from typing import get_args

import torch
from torch import Tensor, nn

from wpl.closed_forms.batch import add_squares_, prepared
from wpl.closed_forms.scores import Kind, Scores
from wpl.closed_forms.sums import Sums


def diagonal_fisher(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    kind: Kind = "empirical",
    parameters: Iterable[str] | None = None,
    generator: torch.Generator | None = None,
    draws: int = 1,
    floor: float = 0.0,
) -> dict[str, Tensor]:
    """Estimate the diagonal Fisher information of a classifier or language model.

    The model is evaluated in eval mode (dropout off, batch norm on its running statistics) and left
    in the mode it was in. A parameter used several times, or under several names, counts with the
    sum of its contributions to each sample's gradient. The usual layers have closed forms, for
    about the price of one forward and backward pass; other parameters are differentiated for each
    sample, with ``torch.func`` or in a loop: as exact, but slow.

    Args:
        model: Maps inputs ``(batch, ...)`` to logits ``(batch, class)`` or ``(batch, time,
            class)``; a row of the batch is one sample, whose log-likelihood sums over time.
        batches: Pairs of inputs ``(batch, ...)`` and integer targets ``(batch)`` or ``(batch,
            time)``. The result does not depend on how the samples are cut into batches.
        kind: Where the labels of the score come from: ``"empirical"``, the targets given;
            ``"mc"``, draws from the model's prediction at each position; ``"exact"``, the
            expectation over the model's prediction, for a backward pass for each position and
            class but one; ``"sketch"``, random signs in place of that expectation: unbiased for
            ``"exact"`` at the price of ``"mc"``, with less variance. All but the first do not use
            the targets. See Kunstner et al., "Limitations of the empirical Fisher approximation"
            (2019).
        parameters: Names, as in ``model.named_parameters()``, of the parameters wanted; no others
            are worked on. By default, all that require a gradient.
        generator: Source of the draws of ``"mc"`` and ``"sketch"``, taken row by row.
        draws: Number of draws per sample, whose squares are averaged.
        floor: Added to F. Where F is exactly zero, as for dead units, a weight is not held by any
            multiple of it.

    Returns:
        By name, F in the shape of its parameter.

    Raises:
        ValueError: If a name or the kind is unknown, if there are no samples, if targets do not
            fit the logits, if a batch norm uses the statistics of its batch (its samples depend on
            each other, so a per-sample gradient does not exist) or if F is not finite.
    """
    if kind not in get_args(Kind):
        raise ValueError(f"kind must be one of {', '.join(get_args(Kind))}; got {kind!r}")
    if draws < 1:
        raise ValueError(f"draws must be at least 1; got {draws}")
    if not 0 <= floor < float("inf"):
        raise ValueError(f"floor must be finite and not negative; got {floor}")
    wanted, names = _select(model, parameters)
    sums = Sums(wanted.values())
    samples = unit = 0
    with prepared(model, wanted):
        for inputs, targets in batches:
            if len(inputs) == 0:
                continue
            unit = unit or len(inputs)  # one batch then needs no division
            scores_of = partial(_scores, kind, targets, draws, generator, unit**-0.5)
            add_squares_(sums, wanted, model, inputs, scores_of)
            samples += len(inputs)
    if samples == 0:
        raise ValueError("batches holds no samples")
    mean = {name: sums.of[id(p)].times(unit / samples) for name, p in wanted.items()}
    _check_finite(mean)
    if floor:
        mean = {name: f.add_(floor) for name, f in mean.items()}
    return {name: mean[used] for name, used in names.items()}


def _scores(
    kind: Kind,
    targets: Tensor,
    draws: int,
    generator: torch.Generator | None,
    scale: float,
    logits: Tensor,
) -> Scores:
    if kind == "empirical":
        _check_targets(targets, logits)
    return Scores(kind, logits, targets, draws, generator, scale)


def _select(
    model: nn.Module, parameters: Iterable[str] | None
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Look up parameters; one that has several names is worked on once.

    Returns:
        The parameters, each by one name; and for each name asked for, that name.

    Raises:
        ValueError: If a name is unknown, or none is given.
    """
    known = dict(model.named_parameters(remove_duplicate=False))
    if parameters is None:
        once = {id(p): name for name, p in reversed(known.items())}
        names = [name for name, p in known.items() if p.requires_grad and once[id(p)] == name]
    else:
        names = list(parameters)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"the model has no parameter {unknown[0]!r}; it has {', '.join(known)}")
    if not names:
        raise ValueError("no parameters to estimate the Fisher information of")
    first = {id(known[name]): name for name in reversed(names)}
    used = {name: first[id(known[name])] for name in names}
    return {name: known[name] for name in dict.fromkeys(used.values())}, used


def _check_targets(targets: Tensor, logits: Tensor) -> None:
    if targets.shape != logits.shape[:-1]:
        raise ValueError(
            f"expected targets {tuple(logits.shape[:-1])} for logits {tuple(logits.shape)}; "
            f"got {tuple(targets.shape)}"
        )
    if targets.numel() and not 0 <= int(targets.min()) <= int(targets.max()) < logits.shape[-1]:
        raise ValueError(
            f"targets must lie in [0, {logits.shape[-1]}); got {int(targets.min())} to "
            f"{int(targets.max())}"
        )


def _check_finite(fisher: dict[str, Tensor]) -> None:
    sums = torch.stack([f.sum(dtype=torch.promote_types(f.dtype, torch.float32)) for f in fisher.values()])
    if sums.isfinite().all():
        return
    for name, f in fisher.items():
        if not f.isfinite().all():  # a sum may overflow
            raise ValueError(f"the Fisher information of {name!r} is not finite")
