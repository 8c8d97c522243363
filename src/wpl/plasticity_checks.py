"""Checks of what the weight plasticity loss is given, and their error messages."""

import math
from collections.abc import Mapping

from torch import Tensor


def alpha_times(alpha: Tensor, name: str, fisher: Tensor) -> Tensor:
    """Return α F; with a strength for each of several stacked models, each its own."""
    if alpha.ndim and alpha.shape != fisher.shape[:1]:
        raise ValueError(
            f"alpha must be a number or have shape {tuple(fisher.shape[:1])}, one for each model "
            f"stacked in {name!r}; got shape {tuple(alpha.shape)}"
        )
    ones = [1] * (fisher.ndim - alpha.ndim)
    weight = alpha.to(fisher).reshape([*alpha.shape, *ones]) * fisher
    check_finite(f"alpha times the Fisher information of {name!r}", weight)
    return weight


def checked_rate(lr: float, momentum: float = 0.0) -> float:
    """Return a learning rate after checking it and the momentum."""
    if not 0 <= lr < math.inf:
        raise ValueError(f"lr must be a number from 0; got {lr}")
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum must lie in [0, 1); got {momentum}")
    return lr


def check_present(name: str, parameters: Mapping[str, Tensor]) -> None:
    """Refuse parameters without an anchored weight."""
    if name not in parameters:
        raise ValueError(f"the anchored weight {name!r} is missing from parameters")


def check_shape(what: str, value: Tensor, anchor: Tensor) -> None:
    """Refuse a shape that is not the anchor's."""
    if value.shape != anchor.shape:
        raise ValueError(
            f"{what} has shape {tuple(value.shape)}; its anchor has {tuple(anchor.shape)}"
        )


def check_finite(what: str, value: Tensor) -> None:
    """Refuse infinities and NaN."""
    if not value.isfinite().all():
        raise ValueError(f"{what} is not finite")


def check_not_negative(what: str, value: Tensor) -> None:
    """Refuse what is not finite or below zero."""
    check_finite(what, value)
    if (value < 0).any():
        raise ValueError(f"{what} is negative: {value.min().item():g}")
