"""What the search asks of a space of architectures and of a task: it knows no text, no images."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

Part = Literal["reward", "select", "test"]
"""Validation data is cut in two: with ``reward`` the controller is rewarded and the Fisher
information estimated; with ``select`` children are scored, and one is chosen in the end."""

Genotype = Any
"""An architecture: a frozen, hashable value that prints as its space parses it."""

Row = dict[str, Any]
"""A row of a table of results."""


class Space(Protocol):
    """A set of architectures, each a sequence of choices.

    Attributes:
        options: Number of choices of each decision.
        roles: What each decision is about; decisions of one role share their meaning.
    """

    options: Sequence[int]
    roles: Sequence[str]

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
        space: The architectures.
        model: The shared weights.
        guessing: Cross-entropy of a uniform guess, in nats.
    """

    space: Space
    model: nn.Module
    guessing: float

    def child(self, genotype: Genotype) -> nn.Module:
        """Make the model of one architecture, which maps a batch of inputs to logits.

        Its weights are the shared ones, by their names after ``shared.``.
        """

    def used(self, genotype: Genotype) -> list[str]:
        """Name the shared weights that an architecture uses, each once."""

    def batches(self, start: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield training batches without end, from number ``start`` on."""

    def loss(
        self, child: nn.Module, inputs: Tensor, targets: Tensor, random: torch.Generator
    ) -> Tensor:
        """Compute the mean cross-entropy of a training batch, in nats."""

    def sample(self, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw a batch of the part ``reward``."""

    def reward(self, child: nn.Module, inputs: Tensor, targets: Tensor) -> float:
        """Score a child on a batch: the higher the better."""

    def cross_entropy(self, child: nn.Module, part: Part) -> float:
        """Score a child on a whole part, in eval mode: nats per prediction."""

    def predictions(self, part: Part) -> int:
        """Count the predictions that scoring a whole part takes."""
