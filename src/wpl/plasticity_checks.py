"""Checks of the arguments of the weight plasticity loss, with their error messages."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor


def alpha_times(alpha: Tensor, name: str, fisher: Tensor, anchor: Tensor) -> Tensor:
    """Compute α F, in single precision or the anchor's if that is higher.

    Args:
        alpha: A scalar, or ``(n)`` with a strength for each of n stacked models.
        name: Name of the weight, for the error.
        fisher: F, in the shape of the weight; ``(n, ...)`` for stacked models.
        anchor: The anchor, in the same shape.

    Returns:
        α F, in the shape of F.

    Raises:
        ValueError: If α has another shape, or α F is not finite.
    """
    if alpha.ndim and alpha.shape != fisher.shape[:1]:
        raise ValueError(
            f"alpha must be a number or have shape {tuple(fisher.shape[:1])}, one for each model "
            f"stacked in {name!r}; got shape {tuple(alpha.shape)}"
        )
    ones = [1] * (fisher.ndim - alpha.ndim)
    wide = torch.promote_types(torch.promote_types(fisher.dtype, anchor.dtype), torch.float32)
    weight = alpha.to(fisher.device, wide).reshape([*alpha.shape, *ones]) * fisher.to(wide)
    check_finite(f"alpha times the Fisher information of {name!r}", weight)
    return weight


def checked_rate(lr: float, momentum: float = 0.0) -> float:
    """Check a learning rate and the momentum, and return the rate."""
    if not 0 <= lr < math.inf:
        raise ValueError(f"lr must be a number from 0; got {lr}")
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum must lie in [0, 1); got {momentum}")
    return lr


def check_present(name: str, parameters: Mapping[str, Tensor]) -> None:
    """Raise an error if an anchored weight is missing.

    Args:
        name: Name of the weight.
        parameters: By name, the current weights, of any shapes.

    Raises:
        ValueError: If it is missing.
    """
    if name not in parameters:
        longer = [other for other in parameters if other.endswith(f".{name}")]
        hint = f", which have {longer[0]!r}: pass those of the module inside" if longer else ""
        raise ValueError(f"the anchored weight {name!r} is missing from parameters{hint}")


def check_shape(what: str, value: Tensor, anchor: Tensor) -> None:
    """Raise an error if a shape differs from that of the anchor.

    Args:
        what: Name of the value, for the error.
        value: Any tensor.
        anchor: The anchor.

    Raises:
        ValueError: If the shapes differ.
    """
    if value.shape != anchor.shape:
        raise ValueError(
            f"{what} has shape {tuple(value.shape)}; its anchor has {tuple(anchor.shape)}"
        )


def check_finite(what: str, value: Tensor) -> None:
    """Raise an error for infinities and NaN.

    Args:
        what: Name of the value, for the error.
        value: Of any shape.

    Raises:
        ValueError: If there are any.
    """
    if not value.isfinite().all():
        raise ValueError(f"{what} is not finite")


def check_not_negative(what: str, value: Tensor) -> None:
    """Raise an error for values that are negative or not finite.

    Args:
        what: Name of the value, for the error.
        value: Of any shape.

    Raises:
        ValueError: If there are any.
    """
    check_finite(what, value)
    if (value < 0).any():
        raise ValueError(f"{what} is negative: {value.min().item():g}")
