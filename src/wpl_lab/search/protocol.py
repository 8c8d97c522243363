"""What the search asks of a space of architectures and of a task: it knows no text, no images."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor, nn

Part = Literal["reward", "select", "test"]
"""Validation data is cut in two: with ``reward`` the controller is rewarded and the Fisher
information estimated; with ``select`` children are scored, and one is chosen in the end."""

Genotype = Any
"""An architecture: a frozen, hashable value that prints as its space parses it."""

Child = Any
"""The model of an architecture: an ``nn.Module``, each task's of a class of its own."""

Row = dict[str, Any]
"""A row of a table of results."""


class Score(NamedTuple):
    """How well a child predicts.

    Attributes:
        nats: Cross-entropy, in nats per prediction.
        error: The field's measure of the same: perplexity of text, percentage of wrong images.
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
        """What each decision is about; decisions of one role share their meaning."""

    @property
    def size(self) -> int:
        """Number of architectures."""

    def decode(self, choices: Sequence[int]) -> Genotype:
        """Make the architecture of one choice for each decision."""

    def cells(self) -> Iterator[Genotype]:
        """Enumerate the architectures, always in the same order."""

    def parse(self, text: str) -> Genotype:
        """Read what ``str`` wrote of a genotype."""


def draw(space: Space, random: torch.Generator) -> Genotype:
    """Draw an architecture, every choice alike."""
    return space.decode([int(torch.randint(n, (), generator=random)) for n in space.options])


class Task(Protocol):
    """Data, and a model that holds the shared weights of every architecture of a space.

    Attributes:
        guessing: Cross-entropy of a uniform guess, in nats.
    """

    guessing: float

    @property
    def space(self) -> Space:
        """The architectures."""

    @property
    def model(self) -> nn.Module:
        """The shared weights."""

    def child(self, genotype: Genotype) -> Child:
        """Make the model of one architecture, which maps a batch of inputs to logits.

        Its weights are the shared ones, by their names after ``shared.``. What else it needs to
        predict, statistics of activations, is that of the weights at this moment.
        """

    def used(self, genotype: Genotype) -> list[str]:
        """Name the shared weights that an architecture uses, each once."""

    def batches(self, start: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield training batches without end, from number ``start`` on."""

    def loss(
        self, child: Child, inputs: Tensor, targets: Tensor, random: torch.Generator
    ) -> Tensor:
        """Compute the mean cross-entropy of a training batch, in nats."""

    def sample(self, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw a batch of the part ``reward``."""

    def reward(self, child: Child, inputs: Tensor, targets: Tensor) -> float:
        """Score a child on a batch: the higher the better."""

    def score(self, child: Child, part: Part) -> Score:
        """Score a child on a whole part, in eval mode."""

    def predictions(self, part: Part) -> int:
        """Count the predictions that scoring a whole part takes."""


class Strategy(Protocol):
    """How architectures are chosen: evenly, or by what was rewarded before."""

    def sample(self, random: torch.Generator) -> Genotype:
        """Draw an architecture to train."""

    def learn(
        self, reward: Callable[[Genotype], float], *, epoch: int, random: torch.Generator
    ) -> list[Row]:
        """Learn at the end of an epoch from what the shared weights now reward.

        Args:
            reward: Scores an architecture on a fresh batch: the higher the better.
            epoch: Its number, from 0.
            random: Source of random numbers.

        Returns:
            Rows of the table ``policy``, each with a ``step`` and a mean ``reward``.
        """

    def tensors(self) -> dict[str, Tensor]:
        """Give copies of all that later epochs depend on, by name."""

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what ``tensors`` gave."""
