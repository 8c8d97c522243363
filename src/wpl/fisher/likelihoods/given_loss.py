"""A user-defined loss: the outputs are the losses of the samples, −log p up to a constant."""

from typing import NoReturn

import torch
from torch import Tensor

from wpl.fisher.likelihoods.likelihood import Likelihood, Standard


def _standard(outputs: Tensor, targets: Tensor | None, class_dim: int | None) -> Standard:
    """Check that there is one loss per sample; the loss includes the targets."""
    del targets, class_dim
    if outputs.ndim != 1:
        raise ValueError(
            f"loss must return one value for each sample, (batch,); got {tuple(outputs.shape)}"
        )
    y = torch.zeros(len(outputs), 1, dtype=torch.long, device=outputs.device)
    return Standard(outputs.reshape(-1, 1, 1), y, lambda v: v.reshape(-1))


def _no_distribution(*_: object) -> NoReturn:
    raise AssertionError("a loss has no distribution of labels")


LOSS = Likelihood(
    standard=_standard,
    check_labels=lambda _z, _y: None,
    error=lambda z, _: torch.ones_like(z),
    loss=lambda z, _: z.squeeze(-1),
    draw=_no_distribution,
    sketch=_no_distribution,
    factors=_no_distribution,
    number=_no_distribution,
)
