"""A turn of training: a few batches for the newest children of each run."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from wpl.plasticity import WeightPlasticity
from wpl_lab.search.descent import clip_, step_, used_by
from wpl_lab.search.protocol import Children, Genotype, Task, Tensors
from wpl_lab.search.settings import ArmTraining
from wpl_lab.search.stack import Stack

Lanes = list[tuple[int, Genotype]]
"""Children side by side: the run and the architecture of each."""

Batches = Iterator[tuple[Tensor, Tensor]]
"""Inputs and targets of all runs, ``(run, batch, ...)``."""


class _Trained(NamedTuple):
    """What a step needs for the children that it trains."""

    children: Children
    used: Tensors
    penalties: Sequence[WeightPlasticity | None]  # of each run, if the arm has any


def train(
    task: Task,
    stack: Stack,
    lanes: Lanes,
    replayed: Iterator[Lanes],
    batches: Batches,
    dropout: Sequence[torch.Generator],
    *,
    training: ArmTraining,
) -> Tensor:
    """Take a step per batch, on the mean loss of a run's children or on that of an earlier child.

    The penalty is applied by its proximal step. With its gradient added to that of the loss, as in
    the paper, gradient descent diverges where learning rate · α F > 2, which holds for some weight
    of every child at any useful α. With ``Plasticity.largest_pull`` the gradient is added
    nevertheless, clipped separately.

    Args:
        task: Data and models.
        stack: The runs; their weights are changed, and their work is counted.
        lanes: The children of the turn, the same number for each run.
        replayed: Earlier children, which are trained instead on every second batch; may be empty.
        batches: The batches of the turn, inputs and targets ``(run, batch, ...)``.
        dropout: For each run, the source of dropout.
        training: How to train.

    Returns:
        The mean training loss of each child ``(lane)``, in nats.
    """
    newest = _prepared(task, stack, lanes, training)
    rate = training.learning_rate_at(stack.epoch)
    total, steps = torch.zeros(len(lanes), dtype=torch.float64, device=task.device), 0
    for number, (inputs, targets) in enumerate(batches):
        again = next(replayed, None) if number % 2 else None
        trained = _prepared(task, stack, again, training) if again else newest
        loss, gradients = trained.children.gradients(inputs, targets, dropout)
        clip_(gradients, training.gradient_norm)
        _step(stack, trained, gradients, rate, training.weight_decay)
        if not again:
            total, steps = total + loss, steps + 1
        for run, _ in again or lanes:
            stack.work[run] += 3 * targets[run].numel()
    return total / steps


def replays(
    past: Sequence[Sequence[Genotype]], randoms: Sequence[torch.Generator], *, last: int
) -> Iterator[Lanes]:
    """Draw earlier children, one of each run at a time.

    Args:
        past: For each run, its earlier children, the same number for each run.
        randoms: For each run, the source of the draws.
        last: Number of latest children to draw from.

    Yields:
        A child of each run; nothing if there is none to draw from.
    """
    recent = [of_run[max(0, len(of_run) - last) :] for of_run in past]
    while all(recent):
        drawn = [
            of_run[int(torch.randint(len(of_run), (), generator=random))]
            for of_run, random in zip(recent, randoms, strict=True)
        ]
        yield list(enumerate(drawn))


def _prepared(task: Task, stack: Stack, lanes: Lanes, training: ArmTraining) -> _Trained:
    names: list[list[str]] = [[] for _ in stack.states]
    for run, genotype in lanes:
        names[run] += task.used(genotype)
    used = used_by(names, stack.weights)
    children = task.children(stack.weights, lanes)
    return _Trained(children, used, stack.penalties(names, training.epochs))


def _step(
    stack: Stack, trained: _Trained, gradients: Tensors, rate: float, weight_decay: float
) -> None:
    weights = stack.weights
    largest_pull = stack.plasticity.largest_pull if stack.plasticity else None
    if trained.penalties and largest_pull is not None:
        pull = _gradient(trained.penalties, weights)
        clip_(pull, largest_pull)
        gradients = {n: g + pull[n] if n in pull else g for n, g in gradients.items()}
    step_(weights, gradients, trained.used, learning_rate=rate, weight_decay=weight_decay)
    if largest_pull is None:
        for run, penalty in enumerate(trained.penalties):
            if penalty is not None:
                penalty.pull_({name: weight[run] for name, weight in weights.items()}, rate)


def _gradient(
    penalties: Sequence[WeightPlasticity | None], weights: Mapping[str, Tensor]
) -> Tensors:
    """Differentiate the penalty of each run, by name ``(run, ...)``."""
    total = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    for run, penalty in enumerate(penalties):
        if penalty is None:
            continue
        own = {name: weight[run].detach() for name, weight in weights.items()}
        penalty.add_gradient_(own)
        for name, weight in own.items():
            if weight.grad is not None:
                total[name][run] = weight.grad
    return total
