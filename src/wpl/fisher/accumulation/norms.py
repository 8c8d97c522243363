"""The squared norm of each sample's gradient, summed over parameters."""

import torch
from torch import Tensor

from wpl.fisher.accumulation.contribution import Contribution
from wpl.fisher.accumulation.outer import Outer
from wpl.fisher.accumulation.precision import precise
from wpl.fisher.accumulation.scratch import SCRATCH


class Norms:
    """A squared norm for each sample of a batch; used in place of ``Squares``."""

    def __init__(self, samples: int, device: torch.device) -> None:
        """Start with zeros."""
        self.of_samples = torch.zeros(samples, dtype=torch.float64, device=device)

    def begin_batch(self, passes: int) -> None:
        """See ``Squares``."""

    def add_(
        self, parameter: Tensor, contributions: list[Contribution], rows: slice | Tensor
    ) -> None:
        """Add the squared norms of one parameter's gradients.

        Args:
            parameter: One of the parameters, of any shape.
            contributions: One per use; a sample's gradient is their sum.
            rows: Which samples of the batch these are.
        """
        self.of_samples[rows] += _squared_norms(contributions, parameter.numel())

    def end_batch(self) -> None:
        """See ``Squares``."""


def _squared_norms(contributions: list[Contribution], size: int) -> Tensor:
    """Compute ‖Σ_use gradient‖² of each sample, ``(sample)``."""
    whole = contributions[0] if len(contributions) == 1 else None
    for k, one in enumerate(contributions):
        whole = whole or one.joined([*contributions[:k], *contributions[k + 1 :]])
    uses = contributions if whole is None else [whole]
    if isinstance(whole, Outer) and _gram_is_cheaper(whole):
        a, g = precise(whole.a), precise(whole.g)
        product = torch.bmm(a, a.transpose(1, 2)) * torch.bmm(g, g.transpose(1, 2))
        return product.sum((1, 2)).clamp(min=0)  # rounding could make a square negative
    step = max(1, SCRATCH // (4 * max(1, size)))
    found = []
    for start in range(0, uses[0].samples, step):
        rows = slice(start, start + step)
        gradients = sum(
            (precise(use.dense(rows)) for use in uses[1:]), precise(uses[0].dense(rows))
        )
        found.append(gradients.flatten(1).square().sum(1))
    return torch.cat(found)


def _gram_is_cheaper(outer: Outer) -> bool:
    """Compare the cost of ΣΣ_st (a_s·a_t)(g_s·g_t) with that of the gradients Σ_t g_t a_tᵀ."""
    time, width, height = outer.a.shape[1], outer.a.shape[2], outer.g.shape[2]
    return time * (width + height) < width * height
