"""The interface of the engines: a forward pass through which vectors can be back-propagated."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from wpl.fisher.accumulation.squares import Accumulation, Uses

Rows = slice | Tensor
Gradients = dict[int, Tensor]  # of parameters, by id


class Job(NamedTuple):
    """What all recordings of an estimate share."""

    parameters: Mapping[str, Tensor]  # the wanted parameters, by name
    squares: Accumulation  # accumulates their contributions
    with_gradient: bool  # whether the gradient may be asked for, too


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
    def send_back(self, vector: Tensor, *, squares: bool, gradient: bool, keep: bool) -> Gradients:
        """Back-propagate a vector in the shape of the logits to the wanted parameters.

        Args:
            vector: What to back-propagate.
            squares: Whether to accumulate the squares.
            gradient: Whether to return the gradients.
            keep: Whether more vectors follow.

        Returns:
            The gradients, if asked for.
        """


def add_to(total: Gradients, parameter: Tensor, gradient: Tensor) -> None:
    """Add the gradient of a parameter."""
    key = id(parameter)
    total[key] = total[key] + gradient if key in total else gradient
