"""Uniform sampling of architectures: single-path one-shot search."""

from collections.abc import Mapping

import torch
from torch import Tensor

from wpl_lab.search.protocol import Genotype, Learning, Space, draw


class Uniform:
    """The strategy that draws all choices with the same probability, and learns nothing."""

    def __init__(self, space: Space) -> None:
        """Set the space to draw from."""
        self._space = space

    def sample(self, random: torch.Generator) -> Genotype:
        """Draw an architecture."""
        return draw(self._space, random)

    def learn(self, *, epoch: int, random: torch.Generator) -> Learning:  # noqa: ARG002
        """Learn nothing; as in ``Strategy.learn``.

        Yields:
            Nothing: it asks for no reward.

        Returns:
            No rows.
        """
        yield from ()
        return []

    def tensors(self) -> dict[str, Tensor]:
        """Return an empty state; as in ``Strategy.tensors``."""
        return {}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from an empty state; as in ``Strategy.load``."""
