"""The steps of plain SGD and of the plasticity loss in one, for less memory traffic."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

_CACHED = 2**18  # elements of a weight that stays in the cache between two calls


class SgdAndPull(NamedTuple):
    """A weight θ, its gradient, its anchor, and the factor c/(1 + c) of the pull."""

    theta: Tensor
    gradient: Tensor
    anchor: Tensor
    share: Tensor


def sgd_and_pull_(weights: Iterable[SgdAndPull], lr: float) -> None:
    """Update each weight by θ ← θ − lr g, then by its factor times the distance to its anchor.

    Large weights take one compiled loop.

    Args:
        weights: Of any shapes; changed in place.
        lr: Learning rate.
    """
    large = []
    for weight in weights:
        if weight.theta.numel() > _CACHED:
            large.append(tuple(weight))
        else:
            weight.theta.add_(weight.gradient, alpha=-lr).lerp_(weight.anchor, weight.share)
    if large:
        rate = torch.tensor(lr, dtype=torch.float64)  # a number would be compiled as a constant
        _compiled()(large, rate)


@cache
def _compiled() -> Callable[[list[tuple[Tensor, ...]], Tensor], None]:
    return torch.compile(_both_)  # importing it takes seconds


def _both_(weights: list[tuple[Tensor, ...]], lr: Tensor) -> None:
    for theta, gradient, anchor, share in weights:
        theta.sub_(lr * gradient).lerp_(anchor, share)
