"""The interface of the engines: a forward pass through which vectors can be back-propagated."""

from abc import ABC, abstractmethod

from torch import Tensor

from wpl.fisher.accumulation.squares import Accumulation, Uses

Rows = slice | Tensor


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
    def send_back(self, vector: Tensor, *into: Accumulation, keep: bool) -> None:
        """Back-propagate a vector to the wanted parameters.

        Args:
            vector: What to back-propagate, in the shape of the logits.
            *into: Accumulate what the vector contributes to their gradients.
            keep: Whether more vectors follow.
        """
