"""Gradient descent on the stacked weights of several runs."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from wpl_lab.search.protocol import Genotype, Tensors


class Divergence(NamedTuple):
    """A child whose training has diverged."""

    child: int  # its number in the epoch
    genotype: Genotype
    error: str


def divergence(child: int, genotype: Genotype, nats: float, limit: float) -> Divergence | None:
    """Tell whether a child has diverged: its cross-entropy is not finite or above a limit.

    Args:
        child: Its number in the epoch.
        genotype: Its architecture.
        nats: Its cross-entropy.
        limit: Largest cross-entropy of a child that has not diverged.

    Returns:
        The divergence; None if the child has not diverged.
    """
    if nats <= limit:  # NaN is not
        return None
    return Divergence(
        child, genotype, f"{genotype}: the cross-entropy is {nats:g} nats, above {limit:g}"
    )


def clip_(gradients: Mapping[str, Tensor], norm: float) -> None:
    """Clip the gradient of each run to a norm.

    Args:
        gradients: By name, ``(run, ...)``; changed in place.
        norm: Largest norm over all weights of a run.
    """
    squares = [g.flatten(1).square().sum(1) for g in gradients.values()]
    factor = (norm / (torch.stack(squares).sum(0).sqrt() + 1e-6)).clamp(max=1)  # (run)
    for gradient in gradients.values():
        gradient.mul_(spread(factor, gradient))


def step_(
    weights: Mapping[str, Tensor],
    gradients: Mapping[str, Tensor],
    used: Mapping[str, Tensor],
    *,
    learning_rate: float,
    weight_decay: float,
) -> None:
    """Move weights along the gradient of loss + λ/2 ‖θ‖².

    Args:
        weights: By name, ``(run, ...)``; changed in place.
        gradients: By name, of the loss, ``(run, ...)``; 0 where a run does not use a weight.
        used: By name, whether each run uses a weight, ``(run)``; others do not decay.
        learning_rate: Step size.
        weight_decay: λ.
    """
    for name, gradient in gradients.items():
        weight = weights[name]
        decay = weight_decay * spread(used[name], weight) * weight if weight_decay else 0.0
        weight.sub_(learning_rate * (gradient + decay))


def spread(of_runs: Tensor, like: Tensor) -> Tensor:
    """Reshape a value per run so that it broadcasts against stacked tensors.

    Args:
        of_runs: ``(run)``.
        like: ``(run, ...)``.

    Returns:
        ``(run, 1, ...)``, with as many dimensions as ``like``.
    """
    return of_runs.reshape(-1, *[1] * (like.ndim - 1))


def used_by(names: list[list[str]], weights: Tensors) -> Tensors:
    """Mark the runs that use a weight.

    Args:
        names: For each run, the weights that its children use.
        weights: By name, ``(run, ...)``, all of them.

    Returns:
        By name, in the order of ``weights``, whether each run uses it, ``(run)``; weights that no
        run uses are left out.
    """
    sets = [set(of_run) for of_run in names]
    marks = {name: [name in of_run for of_run in sets] for name in weights}
    return {
        name: torch.tensor(mark, device=weights[name].device)
        for name, mark in marks.items()
        if any(mark)
    }
