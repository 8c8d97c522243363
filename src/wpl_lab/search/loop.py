"""Architecture search with shared weights, with and without a remedy for forgetting."""

import logging
from pathlib import Path

import pandas as pd

from wpl_lab.io.files import DamagedError
from wpl_lab.search.descent import ExplodedError
from wpl_lab.search.epoch import learn, score, train_children
from wpl_lab.search.protocol import Task
from wpl_lab.search.settings import Plasticity, Policy, Population, Training
from wpl_lab.search.state import State

_log = logging.getLogger(__name__)


def search(
    task: Task,
    *,
    seed: int,
    training: Training,
    plasticity: Plasticity | None,
    strategy: Policy | Population | None,
    checkpoint: Path,
) -> dict[str, pd.DataFrame]:
    """Search a space of architectures that share one set of weights.

    After each epoch everything is written to ``checkpoint``; a search that finds one goes on from
    there, and ends with the same bytes as one that was not interrupted. One that finds a damaged
    file says so and begins anew. A child that explodes takes the search back to the last good
    epoch, once, with other random numbers.

    Args:
        task: Data, space and shared model, freshly made.
        seed: Root seed of the run.
        training: How the shared weights are trained.
        plasticity: How earlier children are protected; None if they are not.
        strategy: How architectures are chosen; None if they are drawn evenly.
        checkpoint: The file; its folder is made.

    Returns:
        The tables, each with the epoch: ``children``, ``policy`` and ``scores``, as in ``epoch``.

    Raises:
        FloatingPointError: If a child explodes a second time; names epoch and genotype.
        ArtifactError: If the checkpoint is not one of a search.
    """
    state = State(task, seed=seed, plasticity=plasticity, strategy=strategy)
    if not _resume(state, checkpoint):
        state.save(checkpoint)
    while state.epoch < training.epochs:
        try:
            children = train_children(task, state, training=training)
        except ExplodedError as error:
            _roll_back(state, checkpoint, error)
            continue
        rows = {
            "children": children,
            "policy": learn(task, state),
            "scores": score(task, state, training=training),
        }
        for name, new in rows.items():
            stamp = {"epoch": state.epoch, "work": state.work}
            state.tables[name] += [stamp | row for row in new]
        state.epoch += 1
        state.save(checkpoint)
        _log.info("epoch %d of %d is done", state.epoch, training.epochs)
    return {name: pd.DataFrame(rows) for name, rows in state.tables.items()}


def _resume(state: State, checkpoint: Path) -> bool:
    """Go on where a checkpoint stands, if there is one that can be used."""
    if not checkpoint.exists():
        return False
    try:
        state.load(checkpoint)
    except DamagedError as error:
        _log.warning("%s: beginning anew", error)
        return False
    _log.info("going on after epoch %d", state.epoch)
    return True


def _roll_back(state: State, checkpoint: Path, error: ExplodedError) -> None:
    """Go back to the last good epoch, if that has not been tried."""
    epoch, rollbacks = state.epoch, state.rollbacks
    if rollbacks:
        raise FloatingPointError(
            f"epoch {epoch}, {error}, a second time; try a lower search.learning_rate"
        ) from error
    _log.warning("epoch %d, %s: back to the start of the epoch", epoch, error)
    state.load(checkpoint)
    state.rollbacks = rollbacks + 1
    state.save(checkpoint)
