"""The phases of an epoch: children in turn, what the strategy learns, scores of architectures."""

import itertools
from collections.abc import Iterable

import torch
from torch import Tensor

from wpl.fisher.estimate import diagonal_fisher
from wpl_lab.search.descent import check, step
from wpl_lab.search.protocol import Child, Genotype, Row, Score, Task
from wpl_lab.search.settings import Training
from wpl_lab.search.state import State


def train_children(task: Task, state: State, *, training: Training) -> list[Row]:
    """Train children in turn on the shared weights, and score each of them twice.

    Each child is trained on a few batches, with the penalty over the weights that it uses; it is
    scored; its Fisher information and its weights are taken into the memory. When all are trained
    they are scored again, as the later ones have left them.

    The penalty takes its proximal step. Its gradient added to that of the loss, as in the paper,
    diverges under gradient descent where learning rate · α F > 2, which some weight of every child
    exceeds at any useful α; or, shortened with the rest, takes the place of the loss's.

    Args:
        task: Data and shared model.
        state: Of the search: weights, memory and position in the data are moved on.
        training: How to train.

    Returns:
        A row per child: genotype, mean training loss, reward on a batch of ``reward``; on
        ``select``, before and after the other children, err1 and err2 (cross-entropy in nats) and
        error1 and error2 (as the task measures it).

    Raises:
        ExplodedError: If a child explodes; names the genotype.
    """
    random = state.generator("children")
    dropout = state.generator("dropout", next(task.model.parameters()).device)
    stream = task.batches(state.batch, state.seed)
    limit = training.explosion * task.guessing
    learning_rate = training.learning_rate_at(state.epoch)
    rows: list[Row] = []
    for _ in range(training.children):
        genotype = state.strategy.sample(random)
        child, names = task.child(genotype), task.used(genotype)
        parameters = {name: task.model.get_parameter(name) for name in names}
        penalty = state.penalty(names, training.epochs)
        losses = []
        for inputs, targets in itertools.islice(stream, training.batches):
            loss = task.loss(child, inputs, targets, dropout)
            step(
                parameters,
                loss,
                learning_rate=learning_rate,
                gradient_norm=training.gradient_norm,
                weight_decay=training.weight_decay,
            )
            if penalty is not None:
                penalty.pull_(parameters, learning_rate)
            losses.append(loss.detach())
            state.work += 3 * targets.numel()
        state.batch += training.batches
        trained = check(genotype, torch.stack(losses).mean().item(), limit)
        child = task.child(genotype)
        before = task.score(child, "select")
        check(genotype, before.nats, limit)
        batch = task.sample(random)
        reward = _reward(task, state, child, *batch)
        if state.memory is not None:
            state.memory.renew(parameters, _fisher(state, child, names, *batch))
        row: Row = {"genotype": str(genotype), "loss": trained, "reward": reward}
        rows.append(row | {"err1": before.nats, "error1": before.error})
    for row in rows:
        after = _select(task, task.space.parse(row["genotype"]))
        row |= {"err2": after.nats, "error2": after.error}
    return rows


def learn(task: Task, state: State) -> list[Row]:
    """Let the strategy learn which architectures the shared weights reward.

    Args:
        task: Data and shared model.
        state: Of the search: the strategy is moved on.

    Returns:
        The rows of the strategy.
    """
    random = state.generator("policy")

    def reward(genotype: Genotype) -> float:
        return _reward(task, state, task.child(genotype), *task.sample(random))

    return state.strategy.learn(reward, epoch=state.epoch, random=random)


def score(task: Task, state: State, *, training: Training) -> list[Row]:
    """Score architectures with the shared weights: all of a small space, and the candidates.

    Only the candidates' scores count as work: a search needs no others.

    Args:
        task: Data and shared model.
        state: Of the search.
        training: Which to score; candidates are drawn after the last epoch only.

    Returns:
        A row per architecture: genotype, cross-entropy on ``select`` in nats, and how many of the
        candidates it is.
    """
    drawn: list[Genotype] = []
    if state.epoch + 1 == training.epochs:
        random = state.generator("candidates")
        drawn = [state.strategy.sample(random) for _ in range(training.candidates)]
        state.work += len(set(drawn)) * task.predictions("select")
    everything = task.space.cells() if training.ranks(task.space.size, state.epoch) else drawn
    return [
        {
            "genotype": str(genotype),
            "cross_entropy": _select(task, genotype).nats,
            "candidates": drawn.count(genotype),
        }
        for genotype in dict.fromkeys(everything)
    ]


def _select(task: Task, genotype: Genotype) -> Score:
    return task.score(task.child(genotype), "select")


def _reward(task: Task, state: State, child: Child, inputs: Tensor, targets: Tensor) -> float:
    state.work += targets.numel()
    return task.reward(child, inputs, targets)


def _fisher(
    state: State,
    child: Child,
    names: Iterable[str],
    inputs: Tensor,
    targets: Tensor,
) -> dict[str, Tensor]:
    """Estimate the Fisher information of the protected weights of a child, by their names."""
    assert state.memory is not None
    assert state.plasticity is not None
    protected = [f"shared.{name}" for name in names if name in state.memory.fisher]
    fisher = diagonal_fisher(
        child,
        [(inputs, targets)],
        kind=state.plasticity.kind,
        parameters=protected,
        generator=state.generator(f"labels {state.batch}"),
    )
    state.work += 3 * targets.numel()
    return {name.removeprefix("shared."): f for name, f in fisher.items()}
