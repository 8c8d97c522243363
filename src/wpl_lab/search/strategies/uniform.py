"""Architectures drawn uniformly: single-path one-shot search."""

from collections.abc import Mapping

import torch
from torch import Tensor

from wpl_lab.search.protocol import Genotype, Learning, Space, draw


class Uniform:
    """The strategy that draws every choice with the same probability, and learns nothing."""

    def __init__(self, space: Space) -> None:
        """Draw from a space."""
        self._space = space

    def sample(self, random: torch.Generator) -> Genotype:
        """Draw an architecture."""
        return draw(self._space, random)

    def learn(self, *, epoch: int, random: torch.Generator) -> Learning:  # noqa: ARG002
        """Learn nothing.

        Yields:
            Nothing: it asks for no reward.

        Returns:
            No rows.
        """
        yield from ()
        return []

    def tensors(self) -> dict[str, Tensor]:
        """Return nothing."""
        return {}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from nothing."""
