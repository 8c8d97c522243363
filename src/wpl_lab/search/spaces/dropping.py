"""Dropout in the training of recurrent models."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Dropped:
    """Dropout factors, 0 and 1/(1 − p); for paths, 0 and 1.

    Attributes:
        embedded: For units of embedded tokens, ``(child, batch, hidden)``, the same at all times
            ("locked": Gal and Ghahramani, 2016).
        recurrent: For recurrent weights, ``(child, 2 hidden, hidden)`` (Merity et al., 2018).
        paths: 0 where a node passes its source on unchanged, ``(node, child, 1, batch)``; None if
            no node does.
        output: For units of the output, ``(child, batch, hidden)``, the same at all times.
    """

    embedded: Tensor
    recurrent: Tensor
    paths: Tensor | None
    output: Tensor


@dataclass(frozen=True, kw_only=True)
class Dropping:
    """Dropout probabilities.

    Attributes:
        dropout: Probability of dropping a unit of the embedded input or of the output.
        weight_drop: Probability of dropping a recurrent weight.
        drop_path: Probability that a node passes its source on unchanged, for a whole sequence.
    """

    dropout: float
    weight_drop: float
    drop_path: float

    def draw(
        self, randoms: Sequence[torch.Generator], *, nodes: int, hidden: int, batch: int
    ) -> Dropped | None:
        """Draw the dropout factors of one batch.

        Args:
            randoms: For each child, the source, on the device of the weights.
            nodes: Nodes of a cell after node 0.
            hidden: Units of the hidden state.
            batch: Rows of the batch.

        Returns:
            The factors; None if all probabilities are 0.
        """
        if not (self.dropout or self.weight_drop or self.drop_path):
            return None
        drawn = [
            (
                _factors(random, self.dropout, batch, hidden),
                _factors(random, self.weight_drop, 2 * hidden, hidden),
                _kept(random, self.drop_path, nodes, 1, batch),
                _factors(random, self.dropout, batch, hidden),
            )
            for random in randoms
        ]
        embedded, recurrent, paths, output = (torch.stack(of) for of in zip(*drawn, strict=True))
        return Dropped(
            embedded, recurrent, paths.transpose(0, 1) if self.drop_path else None, output
        )


def _kept(random: torch.Generator, probability: float, *shape: int) -> Tensor:
    if not probability:
        return torch.ones(shape, device=random.device)
    return torch.empty(shape, device=random.device).bernoulli_(1 - probability, generator=random)


def _factors(random: torch.Generator, probability: float, *shape: int) -> Tensor:
    return _kept(random, probability, *shape) / (1 - probability)
