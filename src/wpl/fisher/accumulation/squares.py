"""Squared gradients of all parameters, summed over samples.

Squares are computed in single precision at least, whatever the model's data type.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import torch
from torch import Tensor

SCRATCH = 2**24  # largest buffer in bytes, where the work can be split

# Number of batches that are summed in single precision before they are added to the sum in double
# precision, so that rounding errors do not grow with the number of batches.
_BLOCK = 32


def precise(tensor: Tensor) -> Tensor:
    """Convert half precision, in any shape, to single precision."""
    return tensor.float() if tensor.dtype in (torch.half, torch.bfloat16) else tensor


def has_autocast(device: str) -> bool:
    """Tell whether autocast is enabled for a type of device, of which some do not know it."""
    return torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)


def full_precision(device: str) -> AbstractContextManager[None]:
    """Disable autocast for a type of device, if it is enabled."""
    return torch.autocast(device, enabled=False) if has_autocast(device) else nullcontext()


class Total:
    """A sum over any number of batches, in the shape of a parameter."""

    def __init__(self, parameter: Tensor) -> None:
        self._parameter = parameter
        half = parameter.dtype in (torch.half, torch.bfloat16)
        self._dtype = torch.float if half else parameter.dtype
        self._block: Tensor | None = None  # of the last batches
        self._blocks: Tensor | None = None  # of those before, in double precision
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
        """Return the sum to add to; where it is ``fresh`` and empty, to be overwritten."""
        self._bounded, self.received = False, True
        if self._block is None:
            make = torch.empty if fresh else torch.zeros
            self._block = make(self.shape, dtype=self._dtype, device=self._parameter.device)
        return self._block

    def add_(self, value: Tensor) -> None:
        """Add a value in the shape of the parameter, perhaps flattened; may keep it."""
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
        """Add (g²)ᵀ a², given g² ``(sample, out)`` and a² ``(sample, in)``."""
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
        """Collect g² ``(sample, out)`` of one a ``(sample, in)``: (Σ_k g_k²)ᵀ a² is one product."""
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
        """Return the sum, in single precision at least, and reset it."""
        total = self.tensor() if self._block is None else self._block
        if self._blocks is not None:
            total = self._in_double(total)
        self._block = self._blocks = None
        return total.to(self._dtype)


class Contribution(Protocol):
    """What one use of a parameter contributes to the gradient of each sample.

    It is in the form that is cheapest to square.
    """

    samples: int

    def dense(self, rows: slice) -> Tensor:
        """Make the gradients of some samples, ``(sample, *shape)`` with the parameter's shape."""

    def joined(self, others: "list[Contribution]") -> "Contribution | None":
        """Add the gradients of other uses; None if the sum has no cheaper form than dense."""
        return None if others else self

    def add_squares_(self, total: Total) -> None:
        """Add the squares of all samples' gradients to a total."""
        add_dense_squares_(total, [self])


def joined(uses: list[Contribution]) -> list[Contribution]:
    """Replace several uses of a parameter by one with their sum, where that has a cheap form."""
    if len(uses) > 1:
        for k, one in enumerate(uses):
            whole = one.joined([*uses[:k], *uses[k + 1 :]])
            if whole is not None:
                return [whole]
    return uses


def dense_sum(uses: Sequence[Contribution], rows: slice) -> Tensor:
    """Make the gradients of some samples, ``(sample, *shape)``, summed over uses."""
    gradients = uses[0].dense(rows)
    for use in uses[1:]:
        gradients = gradients + use.dense(rows)
    return gradients


def add_dense_squares_(total: Total, uses: Sequence[Contribution]) -> None:
    """Compute the gradients of a few samples at a time, sum over uses, square, and add."""
    step = max(1, SCRATCH // (2 * max(1, total.shape.numel()) * total.tensor().element_size()))
    for start in range(0, uses[0].samples, step):
        gradients = dense_sum(uses, slice(start, start + step))
        total.tensor().add_(gradients.square().sum(0))


class Accumulation(Protocol):
    """Accumulates the contributions to each parameter: as squares, or as norms."""

    def begin_batch(self, samples: int, passes: int) -> None:
        """Announce a batch, and how many backward passes there will be for each sample."""

    def add_(self, parameter: Tensor, uses: list[Contribution], rows: slice | Tensor) -> None:
        """Add the contributions of all uses of a parameter, whose sum is a sample's gradient.

        Args:
            parameter: One of the parameters.
            uses: Their contributions in one backward pass.
            rows: Which samples of the batch these are.
        """

    def end_batch(self) -> None:
        """Finish a batch."""


class Squares:
    """A total for each parameter, given by name."""

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        self._names = list(parameters)
        self._totals = {id(p): Total(p) for p in parameters.values()}

    def begin_batch(self, samples: int, passes: int) -> None:
        """See ``Accumulation``."""
        del samples
        for total in self._totals.values():
            total.several = passes > 1

    def add_(self, parameter: Tensor, uses: list[Contribution], rows: slice | Tensor) -> None:
        """See ``Accumulation``; the total is over all rows."""
        del rows
        total, uses = self._totals[id(parameter)], joined(uses)
        if len(uses) == 1:
            uses[0].add_squares_(total)
        else:
            add_dense_squares_(total, uses)

    def end_batch(self) -> None:
        """See ``Accumulation``."""
        for total in self._totals.values():
            total.end_batch()

    def means(self, factor: float, floor: float) -> dict[str, Tensor]:
        """Scale the sums, add the floor, and reset; warn of parameters without a gradient.

        Returns:
            By name, F in the shape of its parameter.

        Raises:
            ValueError: If F is not finite.
        """
        totals = dict(zip(self._names, self._totals.values(), strict=True))
        unused = [name for name, total in totals.items() if not total.received]
        if unused:
            more = f" and {len(unused) - 3} others" if len(unused) > 3 else ""
            warnings.warn(
                f"{', '.join(map(repr, unused[:3]))}{more} had no part in the loss: F is 0, which "
                "leaves them free. If the model keeps something computed from them, as some do in "
                "eval mode, call model.train() and model.eval() first; else list the parameters "
                "wanted",
                stacklevel=3,
            )
        fisher = {name: total.take() for name, total in totals.items()}
        if factor != 1:
            torch._foreach_mul_(list(fisher.values()), factor)
        _check_finite(fisher, {name: total.bound for name, total in totals.items()})
        return {name: f.add_(floor) for name, f in fisher.items()} if floor else fisher


def _check_finite(fisher: Mapping[str, Tensor], bounds: dict[str, Tensor | None]) -> None:
    """Raise an error if F, of which some have a bound, is not finite."""
    unknown = [name for name, bound in bounds.items() if bound is None]
    if unknown:
        norms = torch._foreach_norm([fisher[name] for name in unknown], 1)
        bounds |= dict(zip(unknown, norms, strict=True))
    known = [bound for bound in bounds.values() if bound is not None]
    if len({bound.device for bound in known}) > 1:
        known = [bound.cpu() for bound in known]
    for name, bound in zip(fisher, torch.stack(known).tolist(), strict=True):
        # The bound may overflow even if F does not.
        if not math.isfinite(bound) and not fisher[name].isfinite().all():
            raise ValueError(f"the Fisher information of {name!r} is not finite")
