"""Squares of the gradients of samples, summed: contributions of uses, products, and totals.

Squares are computed in single precision at least, whatever the model's data type.
"""

import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import torch
from torch import Tensor

SCRATCH = 2**24  # largest buffer in bytes, where the work can be split
TILE = 3 * 2**18  # bytes of a buffer that stays in a core's cache together with the total

# Number of batches that are summed in single precision before they are added to the sum in double
# precision, so that rounding errors do not grow with the number of batches.
_BLOCK = 32


def precise(tensor: Tensor) -> Tensor:
    """Convert half precision, in any shape, to single precision."""
    return tensor.float() if tensor.dtype in (torch.half, torch.bfloat16) else tensor


def positions(tensor: Tensor) -> Tensor:
    """Bring ``(sample, ..., feature)`` into ``(sample, position, feature)``, in full precision."""
    return precise(tensor.reshape(tensor.shape[0], -1, tensor.shape[-1]))


def has_autocast(device: str) -> bool:
    """Tell whether autocast is enabled for a type of device, of which some do not know it."""
    return torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)


def full_precision(device: str) -> AbstractContextManager[None]:
    """Disable autocast for a type of device, if it is enabled."""
    return torch.autocast(device, enabled=False) if has_autocast(device) else nullcontext()


class Total:
    """A sum over any number of batches, in the shape of a parameter."""

    def __init__(self, parameter: Tensor) -> None:
        half = parameter.dtype in (torch.half, torch.bfloat16)
        self._dtype = torch.float if half else parameter.dtype
        self._device = parameter.device
        self.shape = parameter.shape
        self.received = False  # whether any gradient arrived
        self.several = False  # whether more gradients follow for the same inputs
        self._block: Tensor | None = None  # of the last batches
        self._blocks: Tensor | None = None  # of those before, in double precision
        self._batches = 0
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}

    def tensor(self) -> Tensor:
        """Return the sum, to add to."""
        self.received = True
        if self._block is None:
            self._block = self._zeros()
        return self._block

    def _zeros(self) -> Tensor:
        return torch.zeros(self.shape, dtype=self._dtype, device=self._device)

    def add_(self, value: Tensor) -> None:
        """Add a value in the shape of the parameter, perhaps flattened; may keep it."""
        value = value.view(self.shape)
        if self._block is None and value.dtype is self._dtype:
            self._block, self.received = value, True
        else:
            self.tensor().add_(value)

    def add_product_(self, g: Tensor, a: Tensor) -> None:
        """Add (g²)ᵀ a², given g² ``(sample, out)`` and a² ``(sample, in)``."""
        if self._block is None:
            self.add_(g.t() @ a)
        else:
            self._block.view(g.shape[1], a.shape[1]).addmm_(g.t(), a)

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
            self._blocks, self._block = self._in_double(self._block), None

    def _in_double(self, block: Tensor) -> Tensor:
        return block.double() if self._blocks is None else self._blocks.add_(block)

    def take(self) -> Tensor:
        """Return the sum, in single precision at least, and reset it."""
        total = self._zeros() if self._block is None else self._block
        if self._blocks is not None:
            total = self._in_double(total)
        self._block = self._blocks = None
        return total.to(self._dtype)


class Contribution:
    """What one use of a parameter contributes to the gradient of each sample.

    It is in the form that is cheapest to square.
    """

    samples: int

    def dense(self, rows: slice) -> Tensor:
        """Make the gradients of some samples, ``(sample, *shape)`` with the parameter's shape."""
        raise NotImplementedError

    def gradient(self) -> Tensor:
        """Sum the gradients of all samples, in the parameter's shape, perhaps flattened."""
        return self.dense(slice(None)).sum(0)

    def joined(self, others: "list[Contribution]") -> "Contribution | None":
        """Add the gradients of other uses; None if the sum has no cheaper form than dense."""
        return None if others else self

    def add_squares_(self, total: Total) -> None:
        """Add the squares of all samples' gradients to a total."""
        add_dense_squares_(total, [self])


class Dense(Contribution):
    """Gradients that are small enough to be stored, ``(sample, *shape)``."""

    def __init__(self, gradients: Tensor) -> None:
        self._gradients = precise(gradients)
        self.samples = len(gradients)

    @staticmethod
    def over_positions(gradients: Tensor) -> "Dense":
        """Sum gradients ``(sample, ..., feature)`` over positions: the contribution of a bias."""
        g = positions(gradients)
        return Dense(g.sum(1) if g.shape[1] > 1 else g[:, 0])

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


class Outer(Contribution):
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

    def gradient(self) -> Tensor:
        """See ``Contribution``."""
        return self.g.flatten(0, 1).t() @ self.a.flatten(0, 1)

    def joined(self, others: list[Contribution]) -> Contribution | None:
        """See ``Contribution``; several uses of a weight are joined along time."""
        outer = [self, *(o for o in others if isinstance(o, Outer))]
        if len(outer) <= len(others):
            return None
        a, g = torch.cat([o.a for o in outer], 1), torch.cat([o.g for o in outer], 1)
        return Outer(a, g, self._shape)

    def add_squares_(self, total: Total) -> None:
        """See ``Contribution``; at a single position, (g aᵀ)² = g² (a²)ᵀ."""
        a, g = self.a, self.g
        if a.shape[1] > 1:
            add_over_time_(total.tensor().view(g.shape[2], a.shape[2]), a, g)
        elif total.several:
            total.keep(a[:, 0], g[:, 0].square())
        else:
            step = max(1, SCRATCH // (max(a.shape[2], g.shape[2]) * a.element_size()))
            for start in range(0, self.samples, step):
                rows = slice(start, start + step)
                total.add_product_(g[rows, 0].square(), a[rows, 0].square())


def add_over_time_(total: Tensor, a: Tensor, g: Tensor) -> None:
    """Add Σ_n (Σ_t g_nt a_ntᵀ)² in the form that moves the least data.

    Args:
        total: What to add to, ``(out, in)``.
        a: ``(sample, time, in)``.
        g: ``(sample, time, out)``.
    """
    samples, time, _ = a.shape
    matrix = total.numel() * a.element_size()
    if not a.is_cpu or samples * matrix <= 2 * TILE or matrix <= TILE // 4:
        _add_several_(total, a, g, 2 * TILE if a.is_cpu else SCRATCH)
    elif time <= 8 and matrix > TILE // 2:
        _add_pairs_(total, a, g)
    else:
        _add_bands_(total, a, g)


def _add_several_(total: Tensor, a: Tensor, g: Tensor, limit: int) -> None:
    """Compute the gradients of a few samples at a time."""
    step = max(1, limit // (total.numel() * a.element_size()))
    for some_a, some_g in zip(a.split(step), g.split(step), strict=True):
        total.add_(torch.bmm(some_g.transpose(1, 2), some_a).square_().sum(0))


def _add_bands_(total: Tensor, a: Tensor, g: Tensor) -> None:
    """Process the matrix in bands that stay in the cache for all samples."""
    height, width = total.shape
    band = max(16, TILE // (width * a.element_size()))
    buffer = a.new_empty(min(band, height), width)
    for start in range(0, height, band):
        rows = total[start : start + band]
        for some_a, some_g in zip(a, g[:, :, start : start + band].transpose(1, 2), strict=True):
            product = torch.mm(some_g, some_a, out=buffer[: len(rows)])
            rows.addcmul_(product, product)


def _add_pairs_(total: Tensor, a: Tensor, g: Tensor) -> None:
    """Expand the square to Σ_st (g_s ∘ g_t)(a_s ∘ a_t)ᵀ, for few times and large matrices."""
    s, t = torch.triu_indices(a.shape[1], a.shape[1], device=a.device)
    weight = torch.where(s == t, 1.0, 2.0).to(a.dtype)[:, None]
    step = max(1, SCRATCH // (len(s) * sum(total.shape) * a.element_size()))
    for some_a, some_g in zip(a.split(step), g.split(step), strict=True):
        pairs_a = (some_a[:, s] * some_a[:, t]).flatten(0, 1)
        pairs_g = (some_g[:, s] * some_g[:, t]).mul_(weight).flatten(0, 1)
        total.addmm_(pairs_g.t(), pairs_a)
    total.clamp_(min=0)  # rounding could make a square negative


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
    """Accumulates the contributions to each parameter: as squares, norms, or the gradient."""

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
    """A total for each parameter, given by name; see ``Accumulation``."""

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
        sums = [f.sum() for f in fisher.values()]  # fast, but may overflow where F does not
        finite = torch.stack([each.to(sums[0].device) for each in sums]).isfinite().tolist()
        for (name, f), known in zip(fisher.items(), finite, strict=True):
            if not known and not f.isfinite().all():
                raise ValueError(f"the Fisher information of {name!r} is not finite")
        return {name: f.add_(floor) for name, f in fisher.items()} if floor else fisher


class Uses:
    """The uses of the wanted parameters in one forward pass; those of each are added together.

    Args:
        rows: Which samples of the batch the forward pass is for.
    """

    def __init__(self, rows: slice | Tensor) -> None:
        self.into: Sequence[Accumulation] = ()  # of the present backward pass
        self._rows = rows
        self.ways: dict[int, list[str]] = defaultdict(list)  # by id of a parameter, for ``explain``
        self._counts: dict[int, int] = defaultdict(int)
        self._waiting: dict[int, tuple[Tensor, list[Contribution]]] = {}

    def add(self, parameter: Tensor, way: str, contributions: int = 1) -> None:
        """Register a use, with a description and the number of contributions to wait for."""
        self._counts[id(parameter)] += contributions
        self.ways[id(parameter)].append(way)

    def deliver(self, parameter: Tensor, contribution: Contribution) -> None:
        """Take the contribution of a use in one backward pass."""
        _, waiting = self._waiting.setdefault(id(parameter), (parameter, []))
        waiting.append(contribution)
        if len(waiting) == self._counts[id(parameter)]:
            self._add(parameter)

    def end_pass(self) -> None:
        """Add the contributions that waited for uses without a part in the loss."""
        for parameter, _ in list(self._waiting.values()):
            self._add(parameter)

    def _add(self, parameter: Tensor) -> None:
        _, contributions = self._waiting.pop(id(parameter))
        for accumulation in self.into:
            accumulation.add_(parameter, contributions, self._rows)
