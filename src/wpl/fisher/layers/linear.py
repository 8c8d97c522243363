"""Weights that multiply: the gradient of a sample is Σ_t g_t a_tᵀ, of input a and output's g."""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from wpl.fisher.accumulation.dense import Dense
from wpl.fisher.accumulation.precision import precise
from wpl.fisher.accumulation.scratch import BUFFERS, SCRATCH, TILE, Scratch
from wpl.fisher.accumulation.sum import Contribution, Sum
from wpl.fisher.engines.rows import FIRST
from wpl.fisher.engines.saved import saved

if TYPE_CHECKING:
    from wpl.fisher.engines.uses import Uses


def linear(
    recorder: "Uses",
    func: Callable[..., Tensor],
    input: Tensor,  # noqa: A002
    weight: Tensor,
    bias: Tensor | None = None,
) -> Tensor | None:
    """Record ``F.linear``.

    Returns:
        Its result; None if it is not used as a layer.
    """
    place = recorder.samples_in(input)
    if place is None or place.dim >= input.ndim - 1 or recorder.is_parameter(input):
        return None
    # Else a weight that needs no gradient, as the stand-in, is multiplied with each sample alone.
    x = input if input.ndim == 2 else input.contiguous()
    a = saved(x)
    out = func(x, recorder.stand_in(weight), recorder.stand_in(bias))
    plain = input.ndim == 2 and place == FIRST

    def contribute(gradient: Tensor) -> Iterable[tuple[Tensor, Contribution]]:
        if plain and recorder.used_once(weight) and recorder.used_once(bias):
            add_layer_(recorder, weight, bias, precise(a()), precise(gradient))
            return ()
        return uses(gradient)

    def uses(gradient: Tensor) -> Iterator[tuple[Tensor, Contribution]]:
        g = recorder.split(gradient, place)
        if recorder.wants(weight):
            yield weight, Outer(recorder.split(a(), place), g)
        if bias is not None and recorder.wants(bias):
            yield bias, Dense(g.sum(1) if g.shape[1] > 1 else g[:, 0])

    return recorder.tap(out, contribute, weight, bias)


def product(
    recorder: "Uses", func: Callable[..., Tensor], *operands: Tensor, **named: Tensor
) -> Tensor | None:
    """Record ``left @ right`` with a matrix of weights on the right: a layer, transposed.

    Returns:
        Its result; None if it is not used as a layer.
    """
    if named:
        return None
    left, right = operands
    if recorder.is_parameter(left) or right.ndim != 2 or left.ndim < 2:
        return None
    place = recorder.samples_in(left)
    if place is None or place.dim >= left.ndim - 1:
        return None
    a = saved(left)
    out = func(left, recorder.stand_in(right))

    def contribute(gradient: Tensor) -> Iterator[tuple[Tensor, Contribution]]:
        if recorder.wants(right):
            yield right, Outer(recorder.split(gradient, place), recorder.split(a(), place))

    return recorder.tap(out, contribute, right)


def add_layer_(recorder: "Uses", weight: Tensor, bias: Tensor | None, a: Tensor, g: Tensor) -> None:
    """Add the squares of a layer's one use: its weight and bias share the squares of g."""
    sums, columns = recorder.sums.of, None
    if recorder.wants(weight):
        columns = add_once_(sums[id(weight)], a, g)
    if bias is not None and recorder.wants(bias):
        sums[id(bias)].add_((g * g).sum(0) if columns is None else columns)


class Outer:
    """Σ_t g_t a_tᵀ of each sample, kept as factors a and g ``(sample, time, feature)``."""

    def __init__(self, a: Tensor, g: Tensor) -> None:
        """Keep the factors."""
        self.a, self.g = a, g
        self.samples = len(a)

    def dense(self, rows: slice) -> Tensor:
        """See ``Contribution``; ``(sample, out, in)``."""
        return torch.bmm(self.g[rows].transpose(1, 2), self.a[rows])

    def joined(self, others: list[Contribution]) -> Contribution | None:
        """See ``Contribution``: uses of a weight at several times are one use over time."""
        outer = [self, *(o for o in others if isinstance(o, Outer))]
        if len(outer) <= len(others):
            return None
        return Outer(torch.cat([o.a for o in outer], 1), torch.cat([o.g for o in outer], 1))

    def add_squares_(self, total: Sum, scratch: Scratch) -> None:
        """See ``Contribution``."""
        a, g = self.a, self.g
        if a.shape[1] == 1:
            add_once_(total, a[:, 0], g[:, 0])
        else:
            add_over_time_(total.tensor().view(g.shape[2], a.shape[2]), a, g, scratch)


def add_once_(total: Sum, a: Tensor, g: Tensor) -> Tensor:
    """Add Σ_n (g_n a_nᵀ)² = (g²)ᵀ a²: one product, as large as the weight's gradient would take.

    Returns:
        Σ_n g_n².
    """
    if total.several:
        squares = g * g
        total.keep(a, squares)
        return squares.sum(0)
    step = max(1, SCRATCH // (max(a.shape[1], g.shape[1]) * a.element_size()))
    if len(a) <= step:
        return total.add_product_(BUFFERS.square("g", g), BUFFERS.square("a", a))
    parts = zip(g.split(step), a.split(step), strict=True)
    columns = [total.add_product_(some_g.square(), some_a.square()) for some_g, some_a in parts]
    return torch.stack(columns).sum(0)


def add_over_time_(total: Tensor, a: Tensor, g: Tensor, scratch: Scratch) -> None:
    """Add Σ_n (Σ_t g_nt a_ntᵀ)² to ``(out, in)`` in the form that moves the least data."""
    samples, time, width = a.shape
    height = g.shape[2]
    matrix = height * width * a.element_size()
    if a.is_cuda or samples * matrix <= 2 * TILE or matrix <= TILE // 4:
        _add_several_(total, a, g, SCRATCH if a.is_cuda else 2 * TILE, scratch)
    elif time <= 8 and matrix > TILE // 2:
        _add_pairs_(total, a, g)
    else:
        _add_tiles_(total, a, g, scratch)


def _add_several_(total: Tensor, a: Tensor, g: Tensor, limit: int, scratch: Scratch) -> None:
    """Make the gradients of a few samples at a time."""
    shape = (g.shape[2], a.shape[2])
    step = max(1, min(len(a), limit // (total.numel() * a.element_size())))
    for some_a, some_g in zip(a.split(step), g.split(step), strict=True):
        buffer = scratch.empty("several", (len(some_a), *shape), a)
        torch.bmm(some_g.transpose(1, 2), some_a, out=buffer)
        total.add_(buffer.square_().sum(0))


def _add_tiles_(total: Tensor, a: Tensor, g: Tensor, scratch: Scratch) -> None:
    """Go through bands of the matrix that stay in the cache for all samples."""
    height, width = total.shape
    band = max(16, TILE // (width * a.element_size()))
    gt = g.transpose(1, 2)
    for start in range(0, height, band):
        rows = total[start : start + band]
        buffer = scratch.empty("tile", rows.shape, a)
        for some_g, some_a in zip(gt[:, start : start + band].unbind(0), a.unbind(0), strict=True):
            torch.mm(some_g, some_a, out=buffer)
            rows.addcmul_(buffer, buffer)


def _add_pairs_(total: Tensor, a: Tensor, g: Tensor) -> None:
    """Multiply out: Σ_st (g_s ∘ g_t)(a_s ∘ a_t)ᵀ, for few times and large matrices."""
    s, t = torch.triu_indices(a.shape[1], a.shape[1], device=a.device)
    weight = torch.where(s == t, 1.0, 2.0).to(a.dtype)[:, None]
    step = max(1, SCRATCH // (len(s) * sum(total.shape) * a.element_size()))
    for some_a, some_g in zip(a.split(step), g.split(step), strict=True):
        pairs_a = (some_a[:, s] * some_a[:, t]).flatten(0, 1)
        pairs_g = (some_g[:, s] * some_g[:, t]).mul_(weight).flatten(0, 1)
        total.addmm_(pairs_g.t(), pairs_a)
    total.clamp_(min=0)  # rounding must not leave a square negative
