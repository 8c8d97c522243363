"""The norm of each sample's gradient."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from wpl.fisher.accumulation.norms import Norms
from wpl.fisher.batches import Loss, each, progress_bar
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
    estimator = Estimator(model, wanted, estimand, loss=loss)
    bar = progress_bar(batches, show=progress)
    with prepared(model, wanted):
        for given in each(batches, bar):
            batch = estimator.forward(given)
            if batch is not None:
                scores = estimator.scores(batch, scale=1.0, bar=bar)
                batch.send_back(scores, norms)
                norms.end_batch()
    return torch.cat(norms.finished)
