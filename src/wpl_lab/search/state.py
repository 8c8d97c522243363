"""State of a search between two epochs: everything that a later epoch depends on."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path

import torch

from wpl_lab.io.artifact import load_tensors, save_tensors
from wpl_lab.search.descent import Divergence
from wpl_lab.search.protocol import Row, Task, Tensors
from wpl_lab.search.settings import Plasticity
from wpl_lab.search.strategies.choose import begin
from wpl_lab.search.strategies.strategy_settings import Policy, Population
from wpl_lab.seeding import generator

TABLES = ("children", "policy", "scores")
_log = logging.getLogger(__name__)

POSITION = ("epoch", "rollbacks", "diverged", "work")


class State:
    """The state of one search between two epochs.

    It holds no random number generators: each epoch has its own streams, derived from the seed, the
    epoch and the number of rollbacks.

    Attributes:
        seed: Root seed of the run.
        epoch: Number of finished epochs.
        rollbacks: How many times the search was rolled back to its last good epoch.
        diverged: Whether it diverged again after a rollback, and has ended.
        work: The budget used: number of predictions, of which those in training count three times.
        weights: By name, the shared weights.
        fisher: By name, the running Fisher information of the protected weights.
        anchor: By name, the anchor of the protected weights.
        strategy: How architectures are chosen.
        tables: Rows of the results so far, by the name of the table.
    """

    def __init__(
        self,
        task: Task,
        *,
        seed: int,
        plasticity: Plasticity | None,
        strategy: Policy | Population | None,
    ) -> None:
        """Start a search with initial weights, an empty memory and a new strategy.

        Args:
            task: Data and space.
            seed: Root seed of the run.
            plasticity: How earlier children are protected; None if they are not.
            strategy: How architectures are chosen; None if they are drawn uniformly.

        Raises:
            ValueError: If ``plasticity.protect`` names no group of shared weights.
        """
        self.seed = seed
        self.epoch = self.rollbacks = self.work = 0
        self.diverged = False
        self.tables: dict[str, list[Row]] = {name: [] for name in TABLES}
        self.weights = task.weights(seed)
        self.anchor = _protected(self.weights, plasticity.protect) if plasticity else {}
        self.fisher = {name: torch.zeros_like(anchor) for name, anchor in self.anchor.items()}
        self.strategy = begin(strategy, task.space, seed=seed)

    def generator(self, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
        """Make the generator for one purpose in this epoch."""
        where = (f"epoch {self.epoch}", f"rollback {self.rollbacks}")
        return generator(self.seed, "search", purpose, *where, device=device)

    def end_epoch(self, rows: Mapping[str, list[Row]]) -> None:
        """Append the rows of an epoch to the tables, by the names of the tables."""
        stamp = {"epoch": self.epoch, "work": self.work}
        for name, new in rows.items():
            self.tables[name] += [stamp | row for row in new]
        self.epoch += 1

    def roll_back(self, divergence: Divergence) -> None:
        """Repeat the epoch after a divergence; after a second one, end the search."""
        where = f"seed {self.seed}, epoch {self.epoch}, {divergence.error}"
        if not self.rollbacks:
            self.rollbacks = 1
            _log.warning("%s: back to the start of the epoch", where)
            return
        self.diverged = True
        stamp = {"epoch": self.epoch, "work": self.work, "child": divergence.child}
        row = {"genotype": str(divergence.genotype), "diverged": True}
        self.tables["children"].append(stamp | row)
        _log.warning("%s, a second time: the search ends here", where)

    def save(self, path: Path) -> None:
        """Write the state to one file, atomically."""
        groups = {"shared": self.weights, "fisher": self.fisher, "anchor": self.anchor}
        groups["strategy"] = self.strategy.tensors()
        tensors = {f"{group}.{name}": t for group, of in groups.items() for name, t in of.items()}
        about = {name: getattr(self, name) for name in ("seed", *POSITION)}
        # As text: metadata is sorted, but the order of columns must be kept.
        save_tensors(path, "search", tensors, **about, tables=json.dumps(self.tables))

    def load(self, path: Path) -> None:
        """Restore the state from a file that ``save`` wrote for the same search.

        Raises:
            ArtifactError: If the file is missing, damaged or of another kind.
        """
        saved, about = load_tensors(path, "search")
        for name in POSITION:
            setattr(self, name, about[name])
        self.tables = json.loads(about["tables"])
        for group, tensors in (
            ("shared", self.weights),
            ("fisher", self.fisher),
            ("anchor", self.anchor),
        ):
            for name, tensor in tensors.items():
                tensor.copy_(saved.pop(f"{group}.{name}"))
        self.strategy.load({name.removeprefix("strategy."): t for name, t in saved.items()})


def _protected(weights: Tensors, groups: tuple[str, ...]) -> Tensors:
    known = {name.partition(".")[0] for name in weights}
    unknown = [group for group in groups if group not in known]
    if unknown:
        raise ValueError(
            f"protect: the model has no weights {unknown[0]!r}; it has {', '.join(sorted(known))}"
        )
    return {name: w.clone() for name, w in weights.items() if name.partition(".")[0] in groups}
