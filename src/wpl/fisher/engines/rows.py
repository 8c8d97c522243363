"""Where the samples of a batch are in a tensor."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor


class Rows(NamedTuple):
    """A dimension that holds the samples: its size is outer · batch · inner, in this order.

    A batch of sequences ``(batch, time, feature)`` is ``Rows(0)``; flattened to ``(batch · time,
    feature)``, it is ``Rows(0, inner=time)``.
    """

    dim: int
    outer: int = 1
    inner: int = 1

    def moved(self, dim: int) -> "Rows":
        """Put the samples into another dimension.

        Returns:
            The place there.
        """
        return self if dim == self.dim else Rows(dim, self.outer, self.inner)

    def fits(self, shape: Sequence[int], batch: int) -> bool:
        """Tell whether a tensor of this shape can hold the samples here."""
        return 0 <= self.dim < len(shape) and shape[self.dim] == self.outer * batch * self.inner

    def reshaped(self, old: Sequence[int], new: Sequence[int], batch: int) -> "Rows | None":
        """Follow the samples through a reshape, which keeps the order of the elements.

        Returns:
            Their place in the new shape; None if no dimension holds them.
        """
        stride = math.prod(old[self.dim + 1 :]) * self.inner  # elements from a sample to the next
        below = 1
        for dim in reversed(range(len(new))):
            size = new[dim]
            if stride % below == 0:
                inner = stride // below
                if size % (batch * inner) == 0 and size:
                    return Rows(dim, size // (batch * inner), inner)
            below *= size
        return None

    def split(self, tensor: Tensor, batch: int) -> Tensor:
        """Bring ``(..., feature)`` with the samples anywhere into ``(batch, position, feature)``.

        Returns:
            A view where possible. The order of the positions depends on the place only.
        """
        shape = tensor.shape
        before = math.prod(shape[: self.dim]) * self.outer
        if before == 1:
            return tensor.reshape(batch, -1, shape[-1])
        after = math.prod(shape[self.dim + 1 : -1]) * self.inner
        rows_first = tensor.reshape(before, batch, after, shape[-1]).transpose(0, 1)
        return rows_first.reshape(batch, before * after, shape[-1])


FIRST = Rows(0)


class Mixed:
    """Values that depend on several samples, or may; there is one, ``MIXED``."""


MIXED = Mixed()
Place = Rows | Mixed
