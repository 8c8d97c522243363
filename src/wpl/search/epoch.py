"""The phases of an epoch: children in turn, the controller, and scores of architectures."""

import itertools
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from wpl.fisher import diagonal_fisher
from wpl.search.descent import check, step
from wpl.search.protocol import Genotype, Row, Task
from wpl.search.settings import Training
from wpl.search.state import State


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
        A row per child: genotype, mean training loss, err1 and err2 (cross-entropy in nats on
        ``select``, before and after the other children), reward on a batch of ``reward``.

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
        genotype = state.sample(random)
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
        err1 = check(genotype, _select(task, state, genotype), limit)
        batch = task.sample(random)
        reward = _reward(task, state, genotype, *batch)
        if state.memory is not None:
            state.memory.renew(parameters, _fisher(state, child, names, *batch))
        rows.append({"genotype": str(genotype), "loss": trained, "err1": err1, "reward": reward})
    for row in rows:
        row["err2"] = _select(task, state, task.space.parse(row["genotype"]))
    return rows


def train_controller(task: Task, state: State) -> list[Row]:
    """Move the controller towards architectures that the shared weights reward (REINFORCE).

    Args:
        task: Data and shared model.
        state: Of the search: controller and baseline are moved on.

    Returns:
        A row per step: the mean reward, the baseline, the entropy in nats.
    """
    policy = state.policy
    if state.controller is None or policy is None:
        return []
    random = state.generator("policy")
    rows = []
    for number in range(policy.steps):
        samples = state.controller.sample(policy.samples, generator=random)
        genotypes = [task.space.decode(choices) for choices in samples.choices.tolist()]
        rewards = [_reward(task, state, g, *task.sample(random)) for g in genotypes]
        learnt = state.reinforce.step(state.controller, samples, torch.tensor(rewards))
        rows.append(
            {
                "step": state.epoch * policy.steps + number,
                "reward": sum(rewards) / len(rewards),
                "baseline": learnt["baseline"],
                "entropy": learnt["entropy"],
            }
        )
    return rows


def score(task: Task, state: State, *, training: Training) -> list[Row]:
    """Score architectures with the shared weights: all of a small space, and the candidates.

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
        drawn = [state.sample(random) for _ in range(training.candidates)]
    everything = task.space.cells() if task.space.size <= training.exhaustive else drawn
    return [
        {
            "genotype": str(genotype),
            "cross_entropy": _select(task, state, genotype),
            "candidates": drawn.count(genotype),
        }
        for genotype in dict.fromkeys(everything)
    ]


def _select(task: Task, state: State, genotype: Genotype) -> float:
    state.work += task.predictions("select")
    return task.cross_entropy(task.child(genotype), "select")


def _reward(task: Task, state: State, genotype: Genotype, inputs: Tensor, targets: Tensor) -> float:
    state.work += targets.numel()
    return task.reward(task.child(genotype), inputs, targets)


def _fisher(
    state: State,
    child: nn.Module,
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
