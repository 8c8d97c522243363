"""The norm of each sample's gradient."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from wpl.fisher.accumulation.squares import SCRATCH, Contribution, Outer, dense_sum, joined
from wpl.fisher.batches import Loss, each, progress_bar
from wpl.fisher.engines.recording import Job
from wpl.fisher.estimate import Estimator
from wpl.fisher.preparation import prepared, select
from wpl.fisher.scores import Estimand
from wpl.kinds import LikelihoodName, Unit


def gradient_norms(
    model: nn.Module,
    batches: Iterable[Any],
    *,
    likelihood: LikelihoodName = "categorical",
    loss: Loss | None = None,
    per: Unit = "sequence",
    parameters: Iterable[str] | None = None,
    class_dim: int | None = None,
    ignore_index: int = -100,
    progress: bool = False,
) -> Tensor:
    """Compute the norm of each sample's gradient, ‖∂ log p(y_n | x_n, θ)/∂θ‖, over the parameters.

    Useful for importance sampling, data valuation, or to choose a clipping norm. The cost is about
    that of the Fisher information; the model is in eval mode, as for that. The arguments are those
    of ``diagonal_fisher``; batches have targets.

    Returns:
        Norms ``(sample)`` in the order of the batches, in double precision; 0 for a sample without
        targets that count.

    Raises:
        ValueError: As ``diagonal_fisher``.
    """
    estimand = Estimand("empirical", likelihood, per, 1, class_dim, ignore_index).checked(loss)
    wanted, _ = select(model, parameters)
    norms = Norms(next(iter(wanted.values())).device)
    estimator = Estimator(model, Job(wanted, norms, with_gradient=False), estimand, loss=loss)
    bar = progress_bar(batches, show=progress)
    with prepared(model, wanted):
        for given in each(batches, bar):
            batch = estimator.forward(given)
            if batch is not None:
                scores = estimator.scores(batch, scale=1.0, bar=bar)
                batch.send_back(scores, squares=True, gradient=False, keep=False)
                norms.end_batch()
    return torch.cat(norms.finished)


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
