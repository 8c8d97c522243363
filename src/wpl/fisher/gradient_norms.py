"""The norm of each sample's gradient."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from wpl.fisher.accumulation.norms import Norms
from wpl.fisher.calling import Loss, each
from wpl.fisher.engines.recording import Job
from wpl.fisher.explain import warn_if_slow
from wpl.fisher.interruption import Bar
from wpl.fisher.passes import record
from wpl.fisher.preparation import prepared
from wpl.fisher.reader import Reader, checked_estimand
from wpl.fisher.selection import select
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
    """Compute the norm of each sample's gradient, ‖∂ log p(y_n | x_n, θ)/∂θ‖, over all parameters.

    Useful for importance sampling, data valuation, or to choose a clipping norm. The cost is about
    that of the Fisher information; the model is in eval mode, as for that.

    Args:
        model: As in ``diagonal_fisher``.
        batches: As in ``diagonal_fisher``, with targets.
        likelihood: As in ``diagonal_fisher``.
        loss: As in ``diagonal_fisher``.
        per: As in ``diagonal_fisher``.
        parameters: As in ``diagonal_fisher``; those that the norm is over.
        class_dim: As in ``diagonal_fisher``.
        ignore_index: As in ``diagonal_fisher``.
        progress: Whether to show a progress bar.

    Returns:
        Norms ``(sample)`` in the order of the batches, in double precision; 0 for a sample without
        targets that count.

    Raises:
        ValueError: As ``diagonal_fisher``.
    """
    estimand = checked_estimand(
        kind="empirical",
        likelihood=likelihood,
        loss=loss,
        per=per,
        draws=1,
        class_dim=class_dim,
        ignore_index=ignore_index,
    )
    wanted, _ = select(model, parameters)
    device = next(iter(wanted.values())).device
    reader, bar = Reader(model, estimand, loss=loss), Bar(batches, show=progress)
    found = [torch.zeros(0, dtype=torch.float64, device=device)]
    with prepared(model, wanted):
        for given in bar.over(each(batches)):
            batch = reader.read(given)
            if batch.size == 0:
                continue
            norms = Norms(batch.size, device)
            passes = record(Job(wanted, norms, with_gradient=False), model, batch)
            scores = reader.scores(batch, passes.logits, scale=1.0, progress=bar.move)
            passes.send_back(scores, squares=True, gradient=False, keep=False)
            warn_if_slow(passes)
            found.append(norms.of_samples.sqrt())
    return torch.cat(found)
