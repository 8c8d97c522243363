"""What uses of a parameter contribute: a gradient for each sample, stored or in factors."""

import math
import threading
from collections.abc import Sequence

import torch
from torch import Tensor

from wpl.fisher.accumulation.squares import (
    SCRATCH,
    Contribution,
    Total,
    dense_sum,
    precise,
)

TILE = 3 * 2**18  # bytes of a buffer that stays in a core's cache together with the total
_KEPT = 2**22  # largest buffer in bytes that is kept after an estimate


def positions(tensor: Tensor) -> Tensor:
    """Bring ``(sample, ..., feature)`` into ``(sample, position, feature)``, in full precision."""
    return precise(tensor.reshape(tensor.shape[0], -1, tensor.shape[-1]))


class Dense:
    """Gradients that are small enough to be stored, ``(sample, *shape)``."""

    def __init__(self, gradients: Tensor) -> None:
        self._gradients = precise(gradients)
        self.samples = len(gradients)

    def dense(self, rows: slice) -> Tensor:
        """See ``Contribution``."""
        return self._gradients[rows]

    def joined(self, others: list[Contribution]) -> Contribution | None:
        """See ``Contribution``."""
        if not all(isinstance(other, Dense) for other in others):
            return None
        return Dense(sum((o.dense(slice(None)) for o in others), self._gradients))

    def add_squares_(self, total: Total) -> None:
        """See ``Contribution``."""
        total.add_(self._gradients.square().sum(0))


class Outer:
    """Outer products Σ_t g_t a_tᵀ over the positions t of each sample, kept as the factors.

    Args:
        a: Inputs ``(sample, ..., in)``.
        g: Gradients of the outputs ``(sample, ..., out)``.
        shape: The weight's, if it is not ``(out, in)``.
    """

    def __init__(self, a: Tensor, g: Tensor, shape: Sequence[int] | None = None) -> None:
        self.a, self.g, self._shape = positions(a), positions(g), shape
        self.samples = len(a)

    def dense(self, rows: slice) -> Tensor:
        """See ``Contribution``; ``(sample, out, in)``, or in the shape of the weight."""
        found = torch.bmm(self.g[rows].transpose(1, 2), self.a[rows])
        return found if self._shape is None else found.view(-1, *self._shape)

    def joined(self, others: list[Contribution]) -> Contribution | None:
        """See ``Contribution``; several uses of a weight are joined along time."""
        outer = [self, *(o for o in others if isinstance(o, Outer))]
        if len(outer) <= len(others):
            return None
        a, g = torch.cat([o.a for o in outer], 1), torch.cat([o.g for o in outer], 1)
        return Outer(a, g, self._shape)

    def add_squares_(self, total: Total) -> None:
        """See ``Contribution``."""
        a, g = self.a, self.g
        if a.shape[1] == 1:
            add_once_(total, a[:, 0], g[:, 0])
        else:
            fresh = total.is_empty
            add_over_time_(total.tensor(fresh).view(g.shape[2], a.shape[2]), a, g, fresh=fresh)


class PulledBack(Contribution):
    """Jᵀ g_n for each sample n, with J the derivative of a derived weight W(p) for a parameter p.

    W is the weight that the samples are combined with, such as a normalised, sliced or concatenated
    parameter; ``uses`` are the contributions to it.
    """

    def __init__(self, derived: Tensor, parameter: Tensor, uses: Sequence[Contribution]) -> None:
        self._derived, self._parameter, self._uses = derived, parameter, uses
        self.samples = uses[0].samples

    def dense(self, rows: slice) -> Tensor:
        """See ``Contribution``."""
        gradient = dense_sum(self._uses, rows)
        gradient = gradient.reshape(-1, *self._derived.shape).to(self._derived.dtype)
        (found,) = torch.autograd.grad(
            self._derived, self._parameter, gradient, retain_graph=True, is_grads_batched=True
        )
        return precise(found)


class Scratch(threading.local):
    """Buffers by name, per thread; a call with a name overwrites the result of the last one."""

    def __init__(self) -> None:
        self._buffers: dict[tuple[str, torch.dtype, torch.device], Tensor] = {}

    def empty(self, name: str, shape: Sequence[int], like: Tensor) -> Tensor:
        """Return an uninitialised buffer, with data type and device of another tensor."""
        size = math.prod(shape)
        key = (name, like.dtype, like.device)
        buffer = self._buffers.get(key)
        if buffer is None or buffer.numel() < size:
            buffer = like.new_empty(size)
            if like.is_cpu and size * like.element_size() <= _KEPT:
                self._buffers[key] = buffer
        return buffer[:size].view(shape)


BUFFERS = Scratch()


def add_once_(total: Total, a: Tensor, g: Tensor) -> None:
    """Add Σ_n (g_n a_nᵀ)² = (g²)ᵀ a², given a ``(sample, in)`` and g ``(sample, out)``."""
    if total.several:
        total.keep(a, g * g)
        return
    step = max(1, SCRATCH // (max(a.shape[1], g.shape[1]) * a.element_size()))
    parts = [(g, a)] if len(a) <= step else zip(g.split(step), a.split(step), strict=True)
    for some_g, some_a in parts:
        total.add_product_(some_g * some_g, some_a * some_a)


def add_over_time_(total: Tensor, a: Tensor, g: Tensor, *, fresh: bool) -> None:
    """Add Σ_n (Σ_t g_nt a_ntᵀ)² in the form that moves the least data.

    Args:
        total: What to add to, ``(out, in)``.
        a: ``(sample, time, in)``.
        g: ``(sample, time, out)``.
        fresh: Whether the total is empty and is to be overwritten.
    """
    samples, time, width = a.shape
    height = g.shape[2]
    matrix = height * width * a.element_size()
    if not a.is_cpu or samples * matrix <= 2 * TILE or matrix <= TILE // 4:
        _add_several_(total, a, g, 2 * TILE if a.is_cpu else SCRATCH, fresh=fresh)
    elif time <= 8 and matrix > TILE // 2:
        _add_pairs_(total, a, g, fresh=fresh)
    else:
        _add_tiles_(total, a, g, fresh=fresh)


def _add_several_(total: Tensor, a: Tensor, g: Tensor, limit: int, *, fresh: bool) -> None:
    """Compute the gradients of a few samples at a time."""
    shape = (g.shape[2], a.shape[2])
    step = max(1, min(len(a), limit // (total.numel() * a.element_size())))
    for some_a, some_g in zip(a.split(step), g.split(step), strict=True):
        buffer = BUFFERS.empty("several", (len(some_a), *shape), a)
        torch.bmm(some_g.transpose(1, 2), some_a, out=buffer)
        squares = buffer.square_()
        if fresh:
            torch.sum(squares, 0, out=total)
        else:
            total.add_(squares.sum(0))
        fresh = False


def _add_tiles_(total: Tensor, a: Tensor, g: Tensor, *, fresh: bool) -> None:
    """Process the matrix in bands that stay in the cache for all samples."""
    height, width = total.shape
    band = max(16, TILE // (width * a.element_size()))
    samples = list(zip(g.transpose(1, 2).unbind(0), a.unbind(0), strict=True))
    for start in range(0, height, band):
        rows = total[start : start + band]
        buffer = BUFFERS.empty("tile", rows.shape, a)
        for n, (some_g, some_a) in enumerate(samples):
            part = some_g if band >= height else some_g[start : start + band]
            if fresh and n == 0:
                torch.mm(part, some_a, out=rows).square_()
            else:
                torch.mm(part, some_a, out=buffer)
                rows.addcmul_(buffer, buffer)


def _add_pairs_(total: Tensor, a: Tensor, g: Tensor, *, fresh: bool) -> None:
    """Expand the square to Σ_st (g_s ∘ g_t)(a_s ∘ a_t)ᵀ, for few times and large matrices."""
    s, t = torch.triu_indices(a.shape[1], a.shape[1], device=a.device)
    weight = torch.where(s == t, 1.0, 2.0).to(a.dtype)[:, None]
    step = max(1, SCRATCH // (len(s) * sum(total.shape) * a.element_size()))
    for some_a, some_g in zip(a.split(step), g.split(step), strict=True):
        pairs_a = (some_a[:, s] * some_a[:, t]).flatten(0, 1)
        pairs_g = (some_g[:, s] * some_g[:, t]).mul_(weight).flatten(0, 1)
        total.addmm_(pairs_g.t(), pairs_a, beta=0 if fresh else 1)
        fresh = False
    total.clamp_(min=0)  # rounding could make a square negative
