"""The interface of the engines: a forward pass through which vectors can be back-propagated."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from wpl.fisher.accumulation.squares import Accumulation, Uses

Rows = slice | Tensor


class Job(NamedTuple):
    """What all recordings of an estimate share."""

    parameters: Mapping[str, Tensor]  # the wanted parameters, by name
    accumulation: Accumulation  # of the contributions to their gradients


class Recording(ABC):
    """A forward pass of some samples of a batch.

    Attributes:
        rows: Which samples these are.
        logits: The outputs.
        uses: Those of the wanted parameters.
    """

    rows: Rows
    logits: Tensor
    uses: Uses

    @abstractmethod
    def send_back(self, vector: Tensor, *, keep: bool) -> None:
        """Back-propagate a vector to the wanted parameters, and accumulate their contributions.

        Args:
            vector: What to back-propagate, in the shape of the logits.
            keep: Whether more vectors follow.
        """
