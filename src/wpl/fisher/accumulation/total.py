"""The sum over all samples of one parameter's squared gradients."""

import torch
from torch import Tensor

from wpl.fisher.accumulation.precision import precise_type

# Number of batches that are summed in single precision before they are added to the sum in double
# precision, so that rounding errors do not grow with the number of batches.
_BLOCK = 32


class Total:
    """A sum over any number of batches, in the shape of a parameter."""

    def __init__(self, parameter: Tensor) -> None:
        """Start with an empty sum.

        Args:
            parameter: Of any shape.
        """
        self._parameter = parameter
        self._dtype = precise_type(parameter.dtype)
        self._block: Tensor | None = None
        self._blocks: Tensor | None = None
        self._batches = 0
        self.several = False  # whether more gradients follow for the same inputs
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}
        self.received = False  # whether any gradient arrived
        self._bounded = True  # whether a bound on the sum is known
        self._bound: Tensor | float = 0.0

    @property
    def shape(self) -> torch.Size:
        """Shape of the parameter."""
        return self._parameter.shape

    @property
    def is_empty(self) -> bool:
        """Whether ``tensor()`` is empty."""
        return self._block is None

    def tensor(self, fresh: bool = False) -> Tensor:
        """Return the tensor to add to.

        Args:
            fresh: Whether an empty one may be uninitialised, to be overwritten.

        Returns:
            The sum, in the shape of the parameter, in single precision at least.
        """
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
        """Add a tensor.

        Args:
            value: In the shape of the parameter, perhaps flattened; may be overwritten.
        """
        self._bounded, self.received = False, True
        value = self._shaped(value)
        if self._block is None and value.dtype is self._dtype:
            self._block = value
        else:
            self.tensor().add_(value)

    def _shaped(self, value: Tensor) -> Tensor:
        shape = self._parameter.shape
        return value if value.shape == shape else value.view(shape)  # a view has a cost, too

    def add_product_(self, g2: Tensor, a2: Tensor) -> None:
        """Add (g²)ᵀ a².

        Args:
            g2: g² ``(sample, out)``.
            a2: a² ``(sample, in)``.
        """
        self.received = True
        if self._bounded and 4 * len(a2) < g2.shape[1]:
            self._bound = self._bound + g2.sum(0).amax() * a2.amax()
        else:
            self._bounded = False  # bounding it would cost more than checking the sum
        if self._block is None:
            self._block = self._shaped(g2.t() @ a2)
        else:
            self._block.view(g2.shape[1], a2.shape[1]).addmm_(g2.t(), a2)

    def keep(self, a: Tensor, squares: Tensor) -> None:
        """Collect g² for an input a with several gradients: (Σ_k g_k²)ᵀ a² takes one product.

        Args:
            a: ``(sample, in)``.
            squares: g² ``(sample, out)``; may be overwritten.
        """
        key = a.data_ptr()
        if key in self._kept:
            self._kept[key][1].add_(squares)
        else:
            self._kept[key] = (a, squares)

    def end_batch(self) -> None:
        """Finish a batch."""
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
        """An upper bound of all elements, a scalar, or None where it is not known."""
        return self._bound if self._bounded and isinstance(self._bound, Tensor) else None

    def take(self) -> Tensor:
        """Return the sum, and reset it.

        Returns:
            In the shape of the parameter, in single precision at least.
        """
        total = self.tensor() if self._block is None else self._block
        if self._blocks is not None:
            total = self._in_double(total)
        self._block = self._blocks = None
        return total.to(self._dtype)
