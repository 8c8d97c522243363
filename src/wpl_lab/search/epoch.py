"""The phases of an epoch: children in turn, what the strategies learn, scores of architectures.

All runs take each step together; ``Stack`` holds their weights side by side.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from wpl_lab.search.descent import Divergence, divergence, used_by
from wpl_lab.search.protocol import Genotype, Learning, Row, Task, ranked
from wpl_lab.search.settings import ArmTraining
from wpl_lab.search.stack import Stack
from wpl_lab.search.turn import Lanes, replays, train


def train_children(task: Task, stack: Stack, *, training: ArmTraining) -> list[list[Row]]:
    """Train children in turn on the shared weights, and score each of them twice.

    Each child is trained on a few batches, with the penalty over the weights that it uses, and
    scored; then the memory is updated with its Fisher information and its weights. When all are
    trained, they are scored again on the weights that the later ones have changed. With
    ``training.together`` above 1, that many children are trained together in a turn.

    Args:
        task: Data and models.
        stack: The runs; their weights and memory are changed. A run that diverges is restored to
            the start of the epoch and recorded in ``stack.diverged``.
        training: How to train.

    Returns:
        For each run, a row per child: its number; how many children were trained after it;
        genotype; whether it has diverged; mean training loss; reward on a batch of ``reward``; on
        ``select``, before and after the later children, err1 and err2 (cross-entropy in nats) and
        error1 and error2 (as the task measures it).
    """
    draws = stack.generators("children")
    dropout = stack.generators("dropout", task.device)
    labels = stack.generators("labels", task.device)
    stream = task.batches(stack.epoch * training.steps, [state.seed for state in stack.states])
    past = [
        [task.space.parse(row["genotype"]) for row in state.tables["children"]]
        for state in stack.states
    ]
    rows: list[list[Row]] = [[] for _ in stack.states]
    for turn in range(training.turns):
        drawn = [
            [state.strategy.sample(random) for _ in range(training.together)]
            for state, random in zip(stack.states, draws, strict=True)
        ]
        losses = train(
            task,
            stack,
            [(run, genotype) for run, of_run in enumerate(drawn) for genotype in of_run],
            replays(past, draws, last=training.replay),
            itertools.islice(stream, training.batches),
            dropout,
            training=training,
        ).unflatten(0, (len(drawn), -1))  # (run, child of the turn)
        later = (training.turns - 1 - turn) * training.together
        for number, genotypes in enumerate(zip(*drawn, strict=True)):
            batch = task.sample(draws)
            child = turn * training.together + number
            measured = _measure(task, stack, child, genotypes, losses[:, number], batch, training)
            _remember(task, stack, child, genotypes, batch, labels)
            for of_run, row in zip(rows, measured, strict=True):
                of_run.append({"child": child, "later": later} | row)
        past = [of_run + new for of_run, new in zip(past, drawn, strict=True)]
    _measure_again(task, stack, rows)
    return rows


def learn(task: Task, stack: Stack) -> dict[int, list[Row]]:
    """Let the strategies learn which architectures the shared weights reward.

    Args:
        task: Data and models.
        stack: The runs; the strategies of those that have not diverged are changed.

    Returns:
        For each run that has not diverged, the rows of its strategy.
    """
    draws = stack.generators("policy")
    learning: dict[int, Learning] = {
        run: stack.states[run].strategy.learn(epoch=stack.epoch, random=draws[run])
        for run in stack.sound
    }
    rewards: dict[int, Any] = dict.fromkeys(learning)  # a generator is first sent None
    rows: dict[int, list[Row]] = {}
    while learning:
        wanted: dict[int, list[Genotype]] = {}
        for run, of_run in list(learning.items()):
            try:
                wanted[run] = of_run.send(rewards[run])
            except StopIteration as end:
                rows[run] = end.value
                del learning[run]
        rewards = {run: [] for run in wanted}
        for number in range(max(map(len, wanted.values()), default=0)):
            lanes = [(run, of[number]) for run, of in wanted.items() if number < len(of)]
            for (run, _), reward in zip(lanes, _rewards(task, stack, lanes, draws), strict=True):
                rewards[run].append(reward)
    return rows


def score(task: Task, stack: Stack, *, training: ArmTraining) -> dict[int, list[Row]]:
    """Score architectures with the shared weights: those that are ranked, and all candidates.

    Only the candidates' scores count as work: a search needs no others.

    Args:
        task: Data and models.
        stack: The runs.
        training: Which architectures to score; candidates are drawn after the last epoch only.

    Returns:
        For each run that has not diverged, a row per architecture: genotype, cross-entropy on
        ``select`` in nats, and how many of the candidates have this genotype.
    """
    candidates: dict[int, list[Genotype]] = {run: [] for run in stack.sound}
    if stack.epoch + 1 == training.epochs:
        draws = stack.generators("candidates")
        for run, drawn in candidates.items():
            strategy = stack.states[run].strategy
            drawn += [strategy.sample(draws[run]) for _ in range(training.candidates)]
            stack.work[run] += len(set(drawn)) * task.predictions("select")
    ranks = training.ranks(task.space.size, stack.epoch)
    judged = ranked(task.space, training.sampled) if ranks else []
    lanes = [
        (run, genotype)
        for run, drawn in candidates.items()
        for genotype in dict.fromkeys([*judged, *drawn])
    ]
    rows: dict[int, list[Row]] = {run: [] for run in candidates}
    scores = task.children(stack.weights, lanes).scores("select") if lanes else []
    for (run, genotype), found in zip(lanes, scores, strict=True):
        rows[run].append(
            {
                "genotype": str(genotype),
                "cross_entropy": found.nats,
                "candidates": candidates[run].count(genotype),
            }
        )
    return rows


def _measure(
    task: Task,
    stack: Stack,
    child: int,
    genotypes: Sequence[Genotype],
    losses: Tensor,
    batch: tuple[Tensor, Tensor],
    training: ArmTraining,
) -> list[Row]:
    """Score the newest child of each run, and record those that have diverged."""
    children = task.children(stack.weights, list(enumerate(genotypes)))
    scores = children.scores("select")
    rewards = children.rewards(*batch)
    limit = training.explosion * task.guessing
    rows = []
    for run, genotype in enumerate(genotypes):
        loss, before = losses[run].item(), scores[run]
        stack.work[run] += batch[1][run].numel()
        for nats in (loss, before.nats):
            if bad := divergence(child, genotype, nats, limit):
                stack.put_back(run, bad)
        rows.append(
            {
                "genotype": str(genotype),
                "diverged": False,
                "loss": loss,
                "reward": rewards[run],
                "err1": before.nats,
                "error1": before.error,
            }
        )
    return rows


def _remember(
    task: Task,
    stack: Stack,
    child: int,
    genotypes: Sequence[Genotype],
    batch: tuple[Tensor, Tensor],
    labels: Sequence[torch.Generator],
) -> None:
    """Update the memory with the newest child of each run."""
    if stack.memory is None or stack.plasticity is None:
        return
    children = task.children(stack.weights, list(enumerate(genotypes)))
    fisher = children.fisher(*batch, kind=stack.plasticity.kind, randoms=labels)
    finite = torch.stack([f.flatten(1).isfinite().all(1) for f in fisher.values()]).all(0)
    used = used_by([task.used(genotype) for genotype in genotypes], stack.weights)
    stack.memory.renew(stack.weights, fisher, used)
    for run, genotype in enumerate(genotypes):
        stack.work[run] += 3 * batch[1][run].numel()
        if not finite[run]:
            error = f"{genotype}: the Fisher information is not finite"
            stack.put_back(run, Divergence(child, genotype, error))


def _measure_again(task: Task, stack: Stack, rows: Sequence[Sequence[Row]]) -> None:
    """Score all children of the epoch again, after the later ones were trained."""
    lanes = [
        (run, task.space.parse(row["genotype"]))
        for run, of_run in enumerate(rows)
        for row in of_run
    ]
    scores = task.children(stack.weights, lanes).scores("select")
    for (run, genotype), row, after in zip(lanes, itertools.chain(*rows), scores, strict=True):
        row |= {"err2": after.nats, "error2": after.error}
        if bad := divergence(row["child"], genotype, after.nats, torch.finfo(torch.float64).max):
            stack.put_back(run, bad)


def _rewards(
    task: Task, stack: Stack, lanes: Lanes, draws: Sequence[torch.Generator]
) -> list[float]:
    """Reward architectures, each on a fresh batch of its run."""
    runs = [run for run, _ in lanes]
    inputs, targets = task.sample([draws[run] for run in runs])
    at = [runs.index(run) if run in runs else 0 for run in range(len(stack.states))]
    for run in runs:
        stack.work[run] += targets[0].numel()
    return task.children(stack.weights, lanes).rewards(inputs[at], targets[at])
