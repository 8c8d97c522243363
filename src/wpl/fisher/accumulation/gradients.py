"""Gradients, summed over samples."""

from collections.abc import Mapping

import torch
from torch import Tensor

from wpl.fisher.accumulation.squares import Contribution, precise


class Gradients:
    """A sum for each parameter, given by name; see ``Accumulation``."""

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        self._parameters = parameters
        self._sums = {id(p): precise(torch.zeros_like(p)) for p in parameters.values()}

    def begin_batch(self, samples: int, passes: int) -> None:
        """See ``Accumulation``."""

    def add_(self, parameter: Tensor, uses: list[Contribution], rows: slice | Tensor) -> None:
        """See ``Accumulation``; the sum is over all rows."""
        del rows
        for use in uses:
            self._sums[id(parameter)] += use.gradient().view(parameter.shape)

    def end_batch(self) -> None:
        """See ``Accumulation``."""

    def times(self, factor: float) -> dict[str, Tensor]:
        """Scale the sums, by name, in the data types of the parameters."""
        return {name: (self._sums[id(p)] * factor).to(p) for name, p in self._parameters.items()}
