"""Independent labels with a normal distribution of variance 1 around each output (regression)."""

import torch
from torch import Tensor

from wpl.fisher.likelihoods.likelihood import (
    Likelihood,
    Standard,
    diagonal_factors,
    elementwise,
    uniform,
)


def _standard(outputs: Tensor, targets: Tensor | None, class_dim: int | None) -> Standard:
    return elementwise("gaussian", outputs, targets, class_dim)


def _check_labels(z: Tensor, y: Tensor) -> None:
    """Raise an error for labels that are not finite."""
    del z
    if not y.isfinite().all():
        raise ValueError("gaussian targets must be finite; got infinite ones or NaN")


def _error(z: Tensor, y: Tensor) -> Tensor:
    return z - y.unsqueeze(-1).to(z)


def _loss(z: Tensor, y: Tensor) -> Tensor:
    return (z.squeeze(-1) - y.to(z)).square() / 2


def _draw(z: Tensor, draws: int, generator: torch.Generator | None) -> Tensor:
    chance = uniform((z.shape[0], draws, z.shape[1]), z, generator)
    chance = chance.clamp_(min=torch.finfo(torch.float64).tiny)  # 0 would be drawn at −∞
    noise: Tensor = torch.special.ndtri(chance)
    return z.double().squeeze(-1).unsqueeze(1) + noise


def _sketch(z: Tensor, signs: Tensor) -> Tensor:
    one = torch.ones_like(z)
    return torch.where(signs, one, -one)


GAUSSIAN = Likelihood(
    standard=_standard,
    check_labels=_check_labels,
    error=_error,
    loss=_loss,
    draw=_draw,
    sketch=_sketch,
    factors=lambda z: diagonal_factors(torch.ones_like(z)),
    number=lambda z: z.shape[1],
)
