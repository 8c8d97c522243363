"""Architectures drawn evenly: single-path one-shot search."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from wpl_lab.search.protocol import Genotype, Row, Space, draw


class Evenly:
    """The strategy that draws every choice alike, and learns nothing."""

    def __init__(self, space: Space) -> None:
        """Draw from a space."""
        self._space = space

    def sample(self, random: torch.Generator) -> Genotype:
        """Draw an architecture."""
        return draw(self._space, random)

    def learn(
        self,
        reward: Callable[[Genotype], float],  # noqa: ARG002
        *,
        epoch: int,  # noqa: ARG002
        random: torch.Generator,  # noqa: ARG002
    ) -> list[Row]:
        """Learn nothing."""
        return []

    def tensors(self) -> dict[str, Tensor]:
        """Give nothing."""
        return {}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from nothing."""
