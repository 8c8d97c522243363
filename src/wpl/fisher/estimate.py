"""Diagonal Fisher information: the mean over samples of the squared per-sample gradient.

For a sample n with input x and label y, the score is g_n = ∂ log p(y | x, θ)/∂θ, one gradient per
*sample*, and F = mean_n g_n², element-wise. Squaring the mean gradient of a batch instead gives
another, smaller quantity (by about the batch size); it is never computed here.
"""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wpl.fisher.accumulation.squares import Squares
from wpl.fisher.batches import count
from wpl.fisher.engines.batch import Batch
from wpl.fisher.engines.recording import Job
from wpl.fisher.explain import warn_if_slow, warn_if_unused
from wpl.fisher.forward import forward_of
from wpl.fisher.preparation import parameters_of, prepared
from wpl.fisher.scores import Scores
from wpl.kinds import Kind

__all__ = ["GradientAndFisher", "Kind", "diagonal_fisher", "gradient_and_fisher"]


def diagonal_fisher(
    model: nn.Module,
    batches: Iterable[tuple[Any, Tensor]],
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
    _check_settings(kind, draws, floor)
    wanted, names = _select(model, parameters)
    squares = Squares(wanted.values())
    job = Job(wanted, squares, with_gradient=False)
    samples = unit = 0
    with prepared(model, wanted):
        for inputs, targets in batches:
            size = count(inputs)
            if size == 0:
                continue
            unit = unit or size  # one batch then needs no division
            batch = Batch(job, model, forward_of(model, inputs), inputs)
            scores = Scores(kind, batch.logits, targets, draws, generator, scale=unit**-0.5)
            batch.send_back(scores, squares=True, gradient=False, keep=False)
            squares.end_batch()
            samples += size
            warn_if_slow(batch)
    if samples == 0:
        raise ValueError("batches holds no samples")
    warn_if_unused(wanted, squares)
    fisher = _finish(squares, wanted, unit / samples, floor)
    return {name: fisher[used] for name, used in names.items()}


class GradientAndFisher(NamedTuple):
    """What ``gradient_and_fisher`` returns."""

    loss: Tensor  # a scalar
    gradient: dict[str, Tensor]  # of the loss
    fisher: dict[str, Tensor]


def gradient_and_fisher(
    model: nn.Module,
    inputs: Any,
    targets: Tensor,
    *,
    kind: Kind = "empirical",
    parameters: Iterable[str] | None = None,
    generator: torch.Generator | None = None,
    draws: int = 1,
    floor: float = 0.0,
) -> GradientAndFisher:
    """Differentiate the loss of a batch and estimate the Fisher information on it, in one pass.

    The loss is the mean over samples of the negative log-likelihood, −log p(y | x, θ), which sums
    over time: a loss per token is this divided by the number of time steps. As for the Fisher
    information, the model is in eval mode meanwhile (dropout off, batch norm on its running
    statistics), so the gradient is that of ``cross_entropy(model(inputs), targets)`` in eval mode.

    Args:
        model: As in ``diagonal_fisher``.
        inputs: ``(batch, ...)``.
        targets: ``(batch)`` or ``(batch, time)``; the loss is theirs for every kind.
        kind: As in ``diagonal_fisher``; all but ``"empirical"`` take backward passes of their own.
        parameters: As in ``diagonal_fisher``, also for the gradient.
        generator: As in ``diagonal_fisher``.
        draws: As in ``diagonal_fisher``.
        floor: As in ``diagonal_fisher``.

    Returns:
        The loss; by name, its gradient, and F.

    Raises:
        ValueError: As ``diagonal_fisher``.
    """
    _check_settings(kind, draws, floor)
    wanted, names = _select(model, parameters)
    size = count(inputs)
    if size == 0:
        raise ValueError("the batch holds no samples")
    squares = Squares(wanted.values())
    job = Job(wanted, squares, with_gradient=True)
    once = kind == "empirical"
    scale = size**-0.5
    with prepared(model, wanted):
        batch = Batch(job, model, forward_of(model, inputs), inputs)
        scores = Scores("empirical", batch.logits, targets, 1, None, scale)
        gradient = batch.send_back(scores, squares=once, gradient=True, keep=not once)
        if not once:
            scores = Scores(kind, batch.logits, targets, draws, generator, scale)
            batch.send_back(scores, squares=True, gradient=False, keep=False)
        squares.end_batch()
        warn_if_slow(batch)
    warn_if_unused(wanted, squares)
    logits = batch.logits.flatten(0, -2)
    loss = F.cross_entropy(logits, targets.flatten(), reduction="sum") / size
    fisher = _finish(squares, wanted, 1, floor)
    by_name = {
        name: gradient[id(p)].mul_(scale) if id(p) in gradient else torch.zeros_like(p)
        for name, p in wanted.items()
    }
    return GradientAndFisher(
        loss,
        {name: by_name[used] for name, used in names.items()},
        {name: fisher[used] for name, used in names.items()},
    )


def _check_settings(kind: str, draws: int, floor: float) -> None:
    if kind not in get_args(Kind):
        raise ValueError(f"kind must be one of {', '.join(get_args(Kind))}; got {kind!r}")
    if draws < 1:
        raise ValueError(f"draws must be at least 1; got {draws}")
    if not 0 <= floor < float("inf"):
        raise ValueError(f"floor must be finite and not negative; got {floor}")


def _finish(
    squares: Squares, wanted: dict[str, Tensor], factor: float, floor: float
) -> dict[str, Tensor]:
    each = {name: squares.of[id(p)] for name, p in wanted.items()}
    fisher = {name: total.times(factor) for name, total in each.items()}
    limits = [total.limit(fisher[name]) for name, total in each.items()]
    if len({limit.device for limit in limits}) > 1:
        limits = [limit.cpu() for limit in limits]
    for name, limit in zip(fisher, torch.stack(limits).tolist(), strict=True):
        # A limit may also overflow alone.
        if not math.isfinite(limit) and not fisher[name].isfinite().all():
            raise ValueError(f"the Fisher information of {name!r} is not finite")
    return {name: f.add_(floor) for name, f in fisher.items()} if floor else fisher


def _select(
    model: nn.Module, parameters: Iterable[str] | None
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Look up parameters; one that has several names is worked on once.

    Returns:
        The parameters, each by one name; and for each name asked for, that name.

    Raises:
        ValueError: If a name is unknown, or none is given.
    """
    known = parameters_of(model)
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
