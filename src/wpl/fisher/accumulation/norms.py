"""Norms of the gradients of samples."""

import torch
from torch import Tensor

from wpl.fisher.accumulation.squares import SCRATCH, Contribution, Outer, dense_sum, joined


class Norms:
    """A norm for each sample, over all parameters; used in place of ``Squares``."""

    def __init__(self, device: torch.device) -> None:
        self.finished = [torch.zeros(0, dtype=torch.float64, device=device)]  # of each batch

    def begin_batch(self, samples: int, passes: int) -> None:
        """See ``Accumulation``."""
        del passes
        self._squared = self.finished[0].new_zeros(samples)

    def add_(self, parameter: Tensor, uses: list[Contribution], rows: slice | Tensor) -> None:
        """See ``Accumulation``."""
        found = _squared_norms(uses, parameter.numel())
        self._squared[rows] += found.to(self._squared.device)  # of the first parameter

    def end_batch(self) -> None:
        """See ``Accumulation``."""
        self.finished.append(self._squared.sqrt())


def _squared_norms(uses: list[Contribution], size: int) -> Tensor:
    """Compute ‖Σ_use gradient‖² of each sample."""
    uses = joined(uses)
    if len(uses) == 1 and isinstance(uses[0], Outer) and _gram_is_cheaper(uses[0]):
        a, g = uses[0].a, uses[0].g
        product = torch.bmm(a, a.transpose(1, 2)) * torch.bmm(g, g.transpose(1, 2))
        return product.sum((1, 2)).clamp(min=0)  # rounding could make a square negative
    step = max(1, SCRATCH // (4 * max(1, size)))
    slices = [slice(start, start + step) for start in range(0, uses[0].samples, step)]
    return torch.cat([dense_sum(uses, rows).flatten(1).square().sum(1) for rows in slices])


def _gram_is_cheaper(outer: Outer) -> bool:
    """Compare the cost of ΣΣ_st (a_s·a_t)(g_s·g_t) with that of the gradients Σ_t g_t a_tᵀ."""
    time, width, height = outer.a.shape[1], outer.a.shape[2], outer.g.shape[2]
    return time * (width + height) < width * height
