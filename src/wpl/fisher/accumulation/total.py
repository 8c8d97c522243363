"""The sum over all samples of one parameter's squared gradients."""

import torch
from torch import Tensor

from wpl.fisher.accumulation.precision import precise_type

# Batches summed in single precision before they join the sum in double precision: the rounding
# error is that of a few dozen additions, however many batches there are.
_BLOCK = 32


class Total:
    """A sum over any number of batches, in the shape of a parameter."""

    def __init__(self, parameter: Tensor) -> None:
        """Start with nothing."""
        self._parameter = parameter
        self._dtype = precise_type(parameter.dtype)
        self._block: Tensor | None = None
        self._blocks: Tensor | None = None
        self._batches = 0
        self.several = False  # whether more gradients follow for the same inputs
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}
        self.received = False  # whether any gradient arrived
        self._bounded = True  # whether all that was added is known to be at most ...
        self._bound: Tensor | float = 0.0

    @property
    def shape(self) -> torch.Size:
        """Shape of the parameter."""
        return self._parameter.shape

    @property
    def is_empty(self) -> bool:
        """Whether nothing was added yet that is in ``tensor()``."""
        return self._block is None

    def tensor(self, fresh: bool = False) -> Tensor:
        """Give the tensor to add to, in single precision at least; ``fresh``: to be overwritten."""
        self._bounded, self.received = False, True
        if self._block is None:
            make = torch.empty if fresh else torch.zeros
            self._block = make(self.shape, dtype=self._dtype, device=self.device)
        return self._block

    @property
    def device(self) -> torch.device:
        """Where the parameter is."""
        return self._parameter.device

    def add_(self, value: Tensor) -> None:
        """Add a tensor that nobody else needs."""
        self._bounded, self.received = False, True
        value = self._shaped(value)
        if self._block is None and value.dtype is self._dtype:
            self._block = value
        else:
            self.tensor().add_(value)

    def _shaped(self, value: Tensor) -> Tensor:
        shape = self._parameter.shape
        return value if value.shape == shape else value.view(shape)  # even a view takes its time

    def add_product_(self, g2: Tensor, a2: Tensor) -> None:
        """Add (g²)ᵀ a², in a pass over the sum less where it is the first."""
        self.received = True
        if self._bounded and 4 * len(a2) < g2.shape[1]:
            self._bound = self._bound + g2.sum(0).amax() * a2.amax()
        else:
            self._bounded = False  # a look at the sum costs less
        if self._block is None:
            self._block = self._shaped(g2.t() @ a2)
        else:
            self._block.view(g2.shape[1], a2.shape[1]).addmm_(g2.t(), a2)

    def keep(self, a: Tensor, squares: Tensor) -> None:
        """Add g² up for an input a that meets more gradients: (Σ_k g_k²)ᵀ a² is one product."""
        key = a.data_ptr()
        if key in self._kept:
            self._kept[key][1].add_(squares)
        else:
            self._kept[key] = (a, squares)

    def end_batch(self) -> None:
        """Close a batch."""
        for a, squares in self._kept.values():
            self.add_product_(squares, a.square())
        self._kept.clear()
        self._batches += 1
        if self._batches % _BLOCK == 0 and self._block is not None:
            self._blocks = self._in_double(self._block)
            self._block = None

    def _in_double(self, block: Tensor) -> Tensor:
        return block.double() if self._blocks is None else self._blocks.add_(block)

    @property
    def bound(self) -> Tensor | None:
        """A number that is finite only if the sum is, where it is known without a look at it."""
        return self._bound if self._bounded and isinstance(self._bound, Tensor) else None

    def take(self) -> Tensor:
        """Give the sum, in single precision at least, and forget it."""
        total = self.tensor() if self._block is None else self._block
        if self._blocks is not None:
            total = self._in_double(total)
        self._block = self._blocks = None
        return total.to(self._dtype)
