"""A turn of training: the newest children of each run, a few batches long."""

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
    """What a step needs to know of the children that it trains."""

    children: Children
    used: Tensors
    penalty: WeightPlasticity | None


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
    """Take a step for each batch: on the mean loss of a run's children, or on an earlier child's.

    The penalty takes its proximal step. Its gradient added to that of the loss, as in the paper,
    diverges under gradient descent where learning rate · α F > 2, which some weight of every child
    exceeds at any useful α. With ``Plasticity.largest_pull`` it is added nevertheless, clipped
    separately.

    Args:
        task: Data and models.
        stack: Of the runs: weights are changed, and work is counted.
        lanes: The children of the turn, as many of each run.
        replayed: Earlier children, which every second batch trains in their place; may be empty.
        batches: As many as the turn has.
        dropout: Of each run, the source of what is dropped.
        training: How to train.

    Returns:
        The mean training loss of each child ``(lane)``, in nats.
    """
    newest = _prepared(task, stack, lanes, training)
    rate = training.learning_rate_at(stack.epoch)
    losses = []
    for number, (inputs, targets) in enumerate(batches):
        again = next(replayed, None) if number % 2 else None
        trained = _prepared(task, stack, again, training) if again else newest
        loss, gradients = trained.children.gradients(inputs, targets, dropout)
        clip_(gradients, training.gradient_norm)
        _step(stack, trained, gradients, rate, training.weight_decay)
        if not again:
            losses.append(loss)
        for run, _ in again or lanes:
            stack.work[run] += 3 * targets[run].numel()
    return torch.stack(losses).mean(0)


def replays(
    past: Sequence[Sequence[Genotype]], randoms: Sequence[torch.Generator], *, last: int
) -> Iterator[Lanes]:
    """Draw one earlier child of each run after the other.

    Args:
        past: Those of each run, as many of each.
        randoms: Of each run, the source of the draws.
        last: How many of the latest are drawn from.

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
    return _Trained(children, used, stack.penalty(used, training.epochs))


def _step(
    stack: Stack, trained: _Trained, gradients: Tensors, rate: float, weight_decay: float
) -> None:
    weights, used, penalty = stack.weights, trained.used, trained.penalty
    largest_pull = stack.plasticity.largest_pull if stack.plasticity else None
    if penalty is not None and largest_pull is not None:
        pull = _gradient(penalty, weights)
        clip_(pull, largest_pull)
        gradients = {n: g + pull[n] if n in pull else g for n, g in gradients.items()}
    step_(weights, gradients, used, learning_rate=rate, weight_decay=weight_decay)
    if penalty is not None and largest_pull is None:
        penalty.pull_(weights, rate)


def _gradient(penalty: WeightPlasticity, weights: Mapping[str, Tensor]) -> Tensors:
    for weight in weights.values():
        weight.grad = None
    penalty.add_gradient_(weights)
    return {name: w.grad for name, w in weights.items() if w.grad is not None}
