"""Outputs that each have a label of their own: binary labels, and values (regression)."""

from collections.abc import Callable, Iterator
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from wpl.fisher.likelihoods.likelihood import Draw, Likelihood, OfLabels, Standard, uniform


def _likelihood(
    title: str,
    *,
    check_labels: Callable[[Tensor, Tensor], None],
    error: OfLabels,
    loss: OfLabels,
    draw: Draw,
    deviation: Callable[[Tensor], Tensor],
) -> Likelihood:
    """Make a likelihood, given also the standard deviation of the error at each output."""

    def sketch(z: Tensor, signs: Tensor) -> Tensor:
        found = deviation(z)
        return torch.where(signs, found, -found)

    def factors(z: Tensor) -> Iterator[Tensor]:
        found = deviation(z)
        for position in range(z.shape[1]):
            vector = torch.zeros_like(found)
            vector[:, position] = found[:, position]
            yield vector

    return Likelihood(
        standard=partial(_standard, title),
        check_labels=check_labels,
        error=error,
        loss=loss,
        draw=draw,
        sketch=sketch,
        factors=factors,
        number=lambda z: z.shape[1],
    )


def _standard(
    title: str, outputs: Tensor, targets: Tensor | None, class_dim: int | None
) -> Standard:
    """Flatten the positions; targets may lack a last dimension of 1."""
    if class_dim is not None:
        raise ValueError(f"class_dim is for categorical outputs; likelihood is {title!r}")
    shape = outputs.shape
    column = len(shape) > 1 and shape[-1] == 1  # one output; labels often lack its dimension
    fitting = (shape, shape[:-1]) if column else (shape,)
    if targets is not None and targets.shape not in fitting:
        raise ValueError(
            f"expected targets {tuple(shape)} for {title} outputs {tuple(shape)}; got "
            f"{tuple(targets.shape)}"
        )
    y = None if targets is None else targets.reshape(shape[0], -1)
    return Standard(outputs.reshape(shape[0], -1, 1), y, lambda v: v.reshape(-1, *shape[1:]))


def _check_binary(_: Tensor, y: Tensor) -> None:
    """Raise an error for labels outside of [0, 1]."""
    if y.numel() and not ((y >= 0) & (y <= 1)).all():
        low, high = y.min().item(), y.max().item()
        raise ValueError(f"bernoulli targets must lie in [0, 1]; got {low:g} to {high:g}")


def _draw_binary(z: Tensor, draws: int, generator: torch.Generator | None) -> Tensor:
    chance = uniform((z.shape[0], draws, z.shape[1]), z, generator)
    return chance < z.double().squeeze(-1).sigmoid().unsqueeze(1)


def _binary_deviation(z: Tensor) -> Tensor:
    p = z.sigmoid()
    return (p * (1 - p)).sqrt()


# The outputs are logits of probabilities.
BERNOULLI = _likelihood(
    "bernoulli",
    check_labels=_check_binary,
    error=lambda z, y: z.sigmoid().sub_(y.unsqueeze(-1).to(z)),
    loss=lambda z, y: F.binary_cross_entropy_with_logits(z.squeeze(-1), y.to(z), reduction="none"),
    draw=_draw_binary,
    deviation=_binary_deviation,
)


def _check_values(_: Tensor, y: Tensor) -> None:
    """Raise an error for labels that are not finite."""
    if not y.isfinite().all():
        raise ValueError("gaussian targets must be finite; got infinite ones or NaN")


def _draw_values(z: Tensor, draws: int, generator: torch.Generator | None) -> Tensor:
    chance = uniform((z.shape[0], draws, z.shape[1]), z, generator)
    chance = chance.clamp_(min=torch.finfo(torch.float64).tiny)  # 0 would be drawn at −∞
    noise: Tensor = torch.special.ndtri(chance)
    return z.double().squeeze(-1).unsqueeze(1) + noise


# The outputs are means of normal distributions of variance 1.
GAUSSIAN = _likelihood(
    "gaussian",
    check_labels=_check_values,
    error=lambda z, y: z - y.unsqueeze(-1).to(z),
    loss=lambda z, y: (z.squeeze(-1) - y.to(z)).square() / 2,
    draw=_draw_values,
    deviation=torch.ones_like,
)
