"""The squared gradients of all parameters, summed over samples."""

from collections.abc import Iterable

from torch import Tensor

from wpl.fisher.accumulation.contribution import Contribution
from wpl.fisher.accumulation.dense import add_squares_
from wpl.fisher.accumulation.total import Total


class Squares:
    """A total for each parameter, to which the engines add contributions."""

    def __init__(self, parameters: Iterable[Tensor]) -> None:
        """Start with an empty total for each parameter.

        Args:
            parameters: Of any shapes.
        """
        self.of = {id(p): Total(p) for p in parameters}

    def begin_batch(self, passes: int) -> None:
        """See ``Accumulation``."""
        for total in self.of.values():
            total.several = passes > 1

    def add_(
        self, parameter: Tensor, contributions: list[Contribution], rows: slice | Tensor
    ) -> None:
        """See ``Accumulation``; the total is over all rows."""
        del rows
        add_squares_(self.of[id(parameter)], contributions)

    def end_batch(self) -> None:
        """See ``Accumulation``."""
        for total in self.of.values():
            total.end_batch()
