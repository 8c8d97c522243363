"""Independent binary labels: each output is the logit of a probability."""

import torch
import torch.nn.functional as F
from torch import Tensor

from wpl.fisher.likelihoods.likelihood import (
    Likelihood,
    Standard,
    diagonal_factors,
    elementwise,
    uniform,
)


def _standard(outputs: Tensor, targets: Tensor | None, class_dim: int | None) -> Standard:
    return elementwise("bernoulli", outputs, targets, class_dim)


def _check_labels(z: Tensor, y: Tensor) -> None:
    """Raise an error for labels outside of [0, 1]."""
    del z
    if y.numel() and not ((y >= 0) & (y <= 1)).all():
        low, high = y.min().item(), y.max().item()
        raise ValueError(f"bernoulli targets must lie in [0, 1]; got {low:g} to {high:g}")


def _error(z: Tensor, y: Tensor) -> Tensor:
    return z.sigmoid().sub_(y.unsqueeze(-1).to(z))


def _loss(z: Tensor, y: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(z.squeeze(-1), y.to(z), reduction="none")


def _draw(z: Tensor, draws: int, generator: torch.Generator | None) -> Tensor:
    chance = uniform((z.shape[0], draws, z.shape[1]), z, generator)
    return chance < z.double().squeeze(-1).sigmoid().unsqueeze(1)


def _deviation(z: Tensor) -> Tensor:
    p = z.sigmoid()
    return (p * (1 - p)).sqrt()


def _sketch(z: Tensor, signs: Tensor) -> Tensor:
    deviation = _deviation(z)
    return torch.where(signs, deviation, -deviation)


BERNOULLI = Likelihood(
    standard=_standard,
    check_labels=_check_labels,
    error=_error,
    loss=_loss,
    draw=_draw,
    sketch=_sketch,
    factors=lambda z: diagonal_factors(_deviation(z)),
    number=lambda z: z.shape[1],
)
