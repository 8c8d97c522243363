"""The interfaces that a space of architectures, a task and a strategy must have."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from wpl.kinds import Kind
from wpl_lab.seeding import generator

Part = Literal["reward", "select", "test"]
"""Validation data is split in two: ``reward`` is used to reward the controller and to estimate the
Fisher information; ``select`` to score children and to choose one in the end."""

Genotype = Any
"""An architecture: a frozen, hashable value that prints as its space parses it."""

Row = dict[str, Any]
"""A row of a table of results."""

Tensors = dict[str, Tensor]
"""Tensors by name."""


class Score(NamedTuple):
    """How well a child predicts.

    Attributes:
        nats: Cross-entropy, in nats per prediction.
        error: The usual measure of the task: perplexity of text, percentage of misclassified
            images.
    """

    nats: float
    error: float


class Space(Protocol):
    """A set of architectures, each a sequence of choices."""

    @property
    def options(self) -> Sequence[int]:
        """Number of choices of each decision."""

    @property
    def roles(self) -> Sequence[str]:
        """What each decision is about; the choices of decisions with one role mean the same."""

    @property
    def size(self) -> int:
        """Number of architectures."""

    def decode(self, choices: Sequence[int]) -> Genotype:
        """Make the architecture of one choice for each decision."""

    def cells(self) -> Iterator[Genotype]:
        """Enumerate the architectures, always in the same order."""

    def parse(self, text: str) -> Genotype:
        """Parse the text that ``str`` makes of a genotype."""


def draw(space: Space, random: torch.Generator) -> Genotype:
    """Draw an architecture, all choices with the same probability."""
    return space.decode([int(torch.randint(n, (), generator=random)) for n in space.options])


def ranked(space: Space, sampled: int) -> list[Genotype]:
    """List the architectures whose ranking is judged.

    Args:
        space: The architectures.
        sampled: How many of them are drawn, the same for all runs; 0: all are taken.

    Returns:
        Different ones; all of a space that has no more.
    """
    if not sampled or sampled >= space.size:
        return list(space.cells())
    random = generator(0, "search", "ranked")
    drawn: dict[Genotype, None] = {}
    while len(drawn) < sampled:
        drawn[draw(space, random)] = None
    return list(drawn)


class Children(Protocol):
    """Several children side by side, each with the shared weights of its run.

    A run is one search. Weights are stacked over runs, by name, ``(run, ...)``. Data has a batch
    for each run, ``(run, batch, ...)``, which several children of a run share. The result of a
    child does not depend on the children beside it.
    """

    def gradients(
        self, inputs: Tensor, targets: Tensor, randoms: Sequence[torch.Generator]
    ) -> tuple[Tensor, Tensors]:
        """Differentiate the mean cross-entropy of a training batch.

        Args:
            inputs: ``(run, batch, ...)``.
            targets: ``(run, batch)`` or ``(run, batch, time)``.
            randoms: For each run, the source of dropout, on the device of the weights.

        Returns:
            The cross-entropy of each child in nats, ``(child)``; and by name, the gradient of the
            mean over the children of a run, ``(run, ...)``; 0 for weights that no child uses.
        """

    def fisher(
        self, inputs: Tensor, targets: Tensor, *, kind: Kind, randoms: Sequence[torch.Generator]
    ) -> Tensors:
        """Estimate the Fisher information of one child of each run; a row of a batch is a sample.

        Args:
            inputs: As in ``gradients``.
            targets: As in ``gradients``.
            kind: Where the labels come from, as in ``wpl.diagonal_fisher``.
            randoms: For each run, the source of drawn labels.

        Returns:
            By name, F of the weights that are used, ``(run, ...)``.
        """

    def rewards(self, inputs: Tensor, targets: Tensor) -> list[float]:
        """Compute the reward of each child on its batch, in eval mode: the higher, the better.

        Args:
            inputs: As in ``gradients``.
            targets: As in ``gradients``.

        Returns:
            One number per child.
        """

    def scores(self, part: Part) -> list[Score]:
        """Score each child on all of a part, in eval mode."""


class Task(Protocol):
    """Data, and models whose weights every architecture of a space shares.

    Attributes:
        guessing: Cross-entropy of a uniform prediction, in nats.
        device: Where weights and batches are.
    """

    guessing: float
    device: torch.device

    @property
    def space(self) -> Space:
        """The architectures."""

    def weights(self, seed: int) -> Tensors:
        """Draw the initial weights of one run, by name, in the shapes of a single run."""

    def used(self, genotype: Genotype) -> list[str]:
        """Name the weights that an architecture uses, each once."""

    def children(
        self, weights: Mapping[str, Tensor], children: Sequence[tuple[int, Genotype]]
    ) -> Children:
        """Make models of architectures.

        Args:
            weights: By name, ``(run, ...)``. Later changes of them take effect.
            children: The run and the architecture of each.

        Returns:
            The models, in the order of ``children``.
        """

    def batches(self, start: int, seeds: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield training batches without end.

        Args:
            start: Number of the first batch.
            seeds: Root seed of each run.

        Yields:
            Inputs and targets, both ``(run, batch, ...)``.
        """

    def sample(self, randoms: Sequence[torch.Generator]) -> tuple[Tensor, Tensor]:
        """Draw a batch of the part ``reward`` for each run.

        Args:
            randoms: For each run, the source of the draw.

        Returns:
            Inputs and targets, both ``(run, batch, ...)``.
        """

    def predictions(self, part: Part) -> int:
        """Count the predictions that are made to score all of a part."""


Learning = Generator[list[Genotype], list[float], list[Row]]
"""A generator: yields architectures, is sent their rewards, each on a fresh batch, and returns rows
of the table ``policy``."""


class Strategy(Protocol):
    """How architectures are chosen: uniformly, or from the rewards of earlier ones."""

    def sample(self, random: torch.Generator) -> Genotype:
        """Draw an architecture to train."""

    def learn(self, *, epoch: int, random: torch.Generator) -> Learning:
        """Learn from rewards at the end of an epoch.

        Args:
            epoch: Its number, from 0.
            random: Source of random numbers.

        Yields:
            Architectures, of which the rewards are sent back: the higher, the better.

        Returns:
            Rows of the table ``policy``, each with a ``step`` and a mean ``reward``.
        """

    def tensors(self) -> Tensors:
        """Return copies of all tensors that later epochs depend on, by name, of any shapes."""

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from a saved state.

        Args:
            tensors: By name, as returned by ``tensors``, in the same shapes.
        """
