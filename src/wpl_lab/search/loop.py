"""Architecture search with shared weights, with and without a remedy for forgetting."""

import logging
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from wpl_lab.arm import Arm
from wpl_lab.io.files import DamagedError
from wpl_lab.progress import report
from wpl_lab.search.epoch import learn, score, train_children
from wpl_lab.search.protocol import Row, Task
from wpl_lab.search.settings import ArmTraining, Plasticity
from wpl_lab.search.stack import Stack
from wpl_lab.search.state import TABLES, State
from wpl_lab.search.strategies.strategy_settings import Policy, Population

_log = logging.getLogger(__name__)


def search(
    task: Task,
    *,
    arm: Arm,
    training: ArmTraining,
    plasticity: Plasticity | None,
    strategy: Policy | Population | None,
    checkpoints: Mapping[int, Path],
) -> dict[str, pd.DataFrame]:
    """Search a space of architectures that share one set of weights, several seeds side by side.

    The results of a seed are the same bytes whichever seeds run beside it. Its state is written to
    its checkpoint after each epoch; a search that finds a checkpoint continues from it, and its
    results are the same bytes as without the interruption. A damaged checkpoint is reported, and
    the search starts again. When a child diverges, its seed is rolled back to the last good epoch,
    once, and continues with other random numbers; a seed that diverges again ends there.

    Args:
        task: Data, space and models.
        arm: The remedy for forgetting: how the anchor is weighted.
        training: How the shared weights are trained.
        plasticity: How earlier children are protected; None if they are not.
        strategy: How architectures are chosen; None if they are drawn uniformly.
        checkpoints: The file of each root seed; its folder is created.

    Returns:
        The tables, each with seed and epoch: ``children``, ``policy`` and ``scores``, as in
        ``epoch``. A seed that diverged twice ends with a row of ``children`` in which
        ``diverged`` is true.

    Raises:
        ArtifactError: If a checkpoint is not one of a search.
    """
    states = {
        State(task, seed=seed, plasticity=plasticity, strategy=strategy): checkpoint
        for seed, checkpoint in checkpoints.items()
    }
    for state, checkpoint in states.items():
        if not _resume(state, checkpoint):
            state.save(checkpoint)
    while going := [s for s in states if s.epoch < training.epochs and not s.diverged]:
        first = min(state.epoch for state in going)
        level = [state for state in going if state.epoch == first]
        _epoch(task, Stack(level, arm=arm, plasticity=plasticity), training)
        for state in level:
            state.save(states[state])
    return {
        name: pd.DataFrame([{"seed": s.seed} | row for s in states for row in s.tables[name]])
        for name in TABLES
    }


def _epoch(task: Task, stack: Stack, training: ArmTraining) -> None:
    """Run searches for an epoch; those that diverge keep their state from before it."""
    children = train_children(task, stack, training=training)
    for run, divergence in stack.diverged.items():
        stack.states[run].roll_back(divergence)
    policy = learn(task, stack)
    scores = score(task, stack, training=training)
    for run in stack.sound:
        stack.unstack(run)
        stack.states[run].end_epoch(
            {"children": children[run], "policy": policy[run], "scores": scores[run]}
        )
        _report(stack.states[run], children[run], training.epochs)


def _report(state: State, children: list[Row], epochs: int) -> None:
    """Report the progress of a search, and the scores of its latest children."""
    forgetting = [row["err2"] - row["err1"] for row in children if row["later"]]
    report(
        seed=state.seed,
        epoch=state.epoch,
        epochs=epochs,
        error=sum(row["error2"] for row in children) / len(children),
        forgetting=sum(forgetting) / max(1, len(forgetting)),
    )


def _resume(state: State, checkpoint: Path) -> bool:
    """Continue from a checkpoint, if there is a usable one."""
    if not checkpoint.exists():
        return False
    try:
        state.load(checkpoint)
    except DamagedError as error:
        _log.warning("%s: beginning anew", error)
        return False
    _log.info("seed %d: continuing after epoch %d", state.seed, state.epoch)
    return True
