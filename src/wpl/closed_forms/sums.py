"""Sums over all samples of squared gradients, parameter by parameter."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Protocol

import torch
from torch import Tensor

from wpl.closed_forms.scratch import BUFFERS, SCRATCH, Scratch

# Batches summed in single precision before they join the sum in double precision: the rounding
# error is that of a few dozen additions, however many batches there are.
_BLOCK = 32


class Contribution(Protocol):
    """What one use of a parameter adds to the gradient of each sample."""

    samples: int

    def dense(self, rows: slice) -> Tensor:
        """Make the gradients of some samples, ``(sample, *shape)``."""

    def add_squares_(self, total: "Sum", scratch: Scratch) -> None:
        """Add the squares of all samples' gradients to a sum."""

    def joined(self, others: list["Contribution"]) -> "Contribution | None":
        """Unite with others of the same parameter, if there is a form for it."""


class Sum:
    """A sum over any number of batches, in the shape of a parameter."""

    def __init__(self, parameter: Tensor) -> None:
        """Start with nothing."""
        self._parameter = parameter.detach()
        self._dtype = torch.promote_types(parameter.dtype, torch.float32)
        self._block: Tensor | None = None
        self._blocks: Tensor | None = None
        self._batches = 0
        self.several = False  # whether more gradients follow for the same inputs
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}
        self._bounded = True  # whether all that was added is known to be at most ...
        self._bound: Tensor | float = 0.0

    @property
    def shape(self) -> torch.Size:
        """Shape of the parameter."""
        return self._parameter.shape

    def tensor(self) -> Tensor:
        """Give the tensor to add to, in single precision at least."""
        self._bounded = False
        if self._block is None:
            self._block = torch.zeros(self.shape, dtype=self._dtype, device=self.device)
        return self._block

    @property
    def device(self) -> torch.device:
        """Where the parameter is."""
        return self._parameter.device

    def add_(self, value: Tensor) -> None:
        """Add a tensor that nobody else needs."""
        self._bounded = False
        if self._block is None and value.dtype == self._dtype:
            self._block = value.view(self.shape)
        else:
            self.tensor().add_(value.view(self.shape))

    def add_product_(self, g2: Tensor, a2: Tensor) -> Tensor:
        """Add (g²)ᵀ a², in a pass over the sum less where it is the first.

        Returns:
            Σ_n g_n².
        """
        columns = g2.sum(0)
        if self._bounded and a2.numel() < self.shape.numel() // 4:
            self._bound = self._bound + columns.amax() * a2.amax()
        else:
            self._bounded = False  # a look at the sum costs less
        if self._block is None:
            self._block = (g2.t() @ a2).view(self.shape)
        else:
            self._block.view(g2.shape[1], a2.shape[1]).addmm_(g2.t(), a2)
        return columns

    def keep(self, a: Tensor, squares: Tensor) -> None:
        """Add g² up for an input a that meets more gradients: (Σ_k g_k²)ᵀ a² is one product."""
        key = a.data_ptr()
        if key in self._kept:
            self._kept[key][1].add_(squares)
        else:
            self._kept[key] = (a, squares.clone())

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

    def limit(self, total: Tensor) -> Tensor:
        """Give a number that none in the sum exceeds; ``total`` is what ``times`` gave."""
        if self._bounded and isinstance(self._bound, Tensor):
            return self._bound  # without a look at the sum
        return total.sum(dtype=self._dtype)

    def times(self, factor: float) -> Tensor:
        """Scale the sum and forget it.

        Returns:
            The product, in the data type of the parameter.
        """
        total = self.tensor() if self._block is None else self._block
        if self._blocks is not None:
            total = self._in_double(total)
        self._block = self._blocks = None
        if factor != 1:
            total.mul_(factor)
        return total.to(self._parameter.dtype)


class Sums:
    """The sums of several parameters, and what is under way to them in one backward pass."""

    def __init__(self, parameters: Iterable[Tensor]) -> None:
        """Start with nothing for each parameter."""
        self.of = {id(p): Sum(p) for p in parameters}
        self.scratch = BUFFERS
        self._waiting: dict[int, list[Contribution]] = defaultdict(list)

    def begin_batch(self, passes: int) -> None:
        """Announce how many backward passes there will be."""
        for total in self.of.values():
            total.several = passes > 1

    def deliver(self, key: int, contribution: Contribution, uses: int) -> None:
        """Take what one of several uses contributes; the last one squares them all."""
        waiting = self._waiting[key]
        waiting.append(contribution)
        if len(waiting) == uses:
            del self._waiting[key]
            self._add_squares_(key, waiting)

    def end_pass(self) -> None:
        """Square what some uses contributed where the others had no part in the loss."""
        for key, waiting in self._waiting.items():
            self._add_squares_(key, waiting)
        self._waiting.clear()

    def end_batch(self) -> None:
        """Close a batch."""
        for total in self.of.values():
            total.end_batch()

    def _add_squares_(self, key: int, contributions: list[Contribution]) -> None:
        total = self.of[key]
        whole = contributions[0] if len(contributions) == 1 else None
        for k, one in enumerate(contributions):
            whole = whole or one.joined([*contributions[:k], *contributions[k + 1 :]])
        if whole is None:
            add_dense_squares_(total, contributions)
        else:
            whole.add_squares_(total, self.scratch)


def add_dense_squares_(total: Sum, contributions: list[Contribution]) -> None:
    """Add the gradients of each sample up and square them, a few samples at a time."""
    samples = contributions[0].samples
    step = max(1, SCRATCH // (2 * max(1, total.shape.numel()) * total.tensor().element_size()))
    for start in range(0, samples, step):
        rows = slice(start, start + step)
        gradients = contributions[0].dense(rows)
        for other in contributions[1:]:
            gradients = gradients + other.dense(rows)
        total.tensor().add_(gradients.square().sum(0))


class Dense:
    """Gradients that are small enough to be kept, ``(sample, *shape)``."""

    def __init__(self, gradients: Tensor) -> None:
        """Keep them."""
        self._gradients = gradients
        self.samples = len(gradients)

    def dense(self, rows: slice) -> Tensor:
        """See ``Contribution``."""
        return self._gradients[rows]

    def joined(self, others: list[Contribution]) -> "Contribution | None":
        """See ``Contribution``."""
        if not all(isinstance(other, Dense) for other in others):
            return None
        return Dense(sum((o.dense(slice(None)) for o in others), self._gradients))

    def add_squares_(self, total: Sum, scratch: Scratch) -> None:
        """See ``Contribution``."""
        total.add_(scratch.square("g", self._gradients).sum(0))
