"""Where a search stands: all that a later epoch depends on, in memory and on disk."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from wpl.plasticity import WeightPlasticity
from wpl_lab.io.artifact import load_tensors, save_tensors
from wpl_lab.search.memory import Memory
from wpl_lab.search.protocol import Row, Task
from wpl_lab.search.settings import Plasticity, Policy, Population
from wpl_lab.search.strategies.choose import begin
from wpl_lab.seeding import generator

TABLES = ("children", "policy", "scores")
POSITION = ("epoch", "rollbacks", "batch", "work")


class State:
    """The state of a search between two epochs.

    Random numbers need none: each epoch has streams of its own, derived from the seed, the epoch
    and the number of times the search was rolled back.

    Attributes:
        epoch: Number of epochs that are done.
        rollbacks: How often the search went back to its last good epoch.
        batch: Position in the training data: number of batches used.
        work: Number of predictions made, a trained one counting three: the budget used.
        plasticity: As given.
        memory: Anchor and importance, if earlier children are protected.
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
        """Start a search: weights as the task drew them, nothing to protect, nothing learnt.

        Args:
            task: Data and shared model, freshly made.
            seed: Root seed of the run.
            plasticity: How earlier children are protected; None if they are not.
            strategy: How architectures are chosen; None if they are drawn evenly.

        Raises:
            ValueError: If a name of ``plasticity.protect`` is of no shared weight.
        """
        self.seed = seed
        self.epoch = self.rollbacks = self.batch = self.work = 0
        self.tables: dict[str, list[Row]] = {name: [] for name in TABLES}
        self.plasticity = plasticity
        self._task = task
        self.memory: Memory | None = None
        if plasticity is not None:
            self.memory = Memory(
                _protected(task, plasticity.protect),
                rate=plasticity.rate,
                largest_norm=plasticity.largest_norm,
                uniform=plasticity.uniform,
            )
        self.strategy = begin(strategy, task.space, seed=seed)

    def generator(self, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
        """Make the source of random numbers of one purpose in this epoch."""
        where = (f"epoch {self.epoch}", f"rollback {self.rollbacks}")
        return generator(self.seed, "search", purpose, *where, device=device)

    def penalty(self, names: Iterable[str], epochs: int) -> WeightPlasticity | None:
        """Make the loss that protects the weights of a child, in a search of so many epochs."""
        if self.memory is None or self.plasticity is None:
            return None
        alpha = self.plasticity.alpha_at(self.epoch, epochs)
        return self.memory.penalty(names, alpha) if alpha > 0 else None

    def save(self, path: Path) -> None:
        """Write all of it to one file, whole or not at all."""
        tensors = self._tensors() | _prefixed("strategy", self.strategy.tensors())
        about = {name: getattr(self, name) for name in ("seed", *POSITION)}
        # As text: metadata is sorted, but the order of columns must be kept.
        save_tensors(path, "search", tensors, **about, tables=json.dumps(self.tables))

    @torch.no_grad()
    def load(self, path: Path) -> None:
        """Go on from a file that ``save`` wrote for the same search.

        Raises:
            ArtifactError: If the file is missing, damaged or of another kind.
        """
        saved, about = load_tensors(path, "search")
        for name in POSITION:
            setattr(self, name, about[name])
        self.tables = json.loads(about["tables"])
        for name, tensor in self._tensors().items():
            tensor.copy_(saved.pop(name))
        self.strategy.load({name.removeprefix("strategy."): t for name, t in saved.items()})

    def _tensors(self) -> dict[str, Tensor]:
        """By name, the tensors themselves: those that are there from the start."""
        tensors = _prefixed("shared", self._task.model.state_dict())
        if self.memory is not None:
            tensors |= _prefixed("fisher", self.memory.fisher)
            tensors |= _prefixed("anchor", self.memory.anchor)
        return tensors


def _prefixed(group: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{group}.{name}": tensor for name, tensor in tensors.items()}


def _protected(task: Task, groups: tuple[str, ...]) -> dict[str, Tensor]:
    known = {name.partition(".")[0] for name, _ in task.model.named_parameters()}
    unknown = [group for group in groups if group not in known]
    if unknown:
        raise ValueError(
            f"protect: the model has no weights {unknown[0]!r}; it has {', '.join(sorted(known))}"
        )
    return {
        name: p.detach()
        for name, p in task.model.named_parameters()
        if name.partition(".")[0] in groups
    }
