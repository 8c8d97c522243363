"""The step of the plasticity loss, alone or in one with plain SGD, for less memory traffic.

Weights in half precision are computed with in the precision of the factors, and rounded once.
"""

from collections.abc import Callable, Iterable, Sequence
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


def lerp_(weights: list[Tensor], anchors: list[Tensor], shares: list[Tensor]) -> None:
    """Move each weight towards its anchor, by its factor times the distance.

    Args:
        weights: Of any shapes; changed in place.
        anchors: In the shapes of the weights.
        shares: The factors c/(1 + c), in the shapes of the weights.
    """
    if len({t.dtype for t in (*weights, *anchors, *shares)}) == 1:
        torch._foreach_lerp_(weights, anchors, shares)
        return
    for theta, anchor, share in zip(weights, anchors, shares, strict=True):
        wide = theta.to(share.dtype)
        theta.copy_(wide.lerp(anchor.to(share.dtype), share))


def sgd_and_pull_(weights: Iterable[SgdAndPull], lr: float) -> None:
    """Update each weight by θ ← θ − lr g, then by its factor times the distance to its anchor.

    Large weights take one compiled loop.

    Args:
        weights: Of any shapes; changed in place.
        lr: Learning rate.
    """
    large = []
    for weight in weights:
        theta, gradient, anchor, share = weight
        if theta.numel() > _CACHED:
            large.append(tuple(weight))
        elif theta.dtype == anchor.dtype == share.dtype:
            theta.add_(gradient, alpha=-lr).lerp_(anchor, share)
        else:
            _both_([weight], lr)
    if large:
        rate = torch.tensor(lr, dtype=torch.float64)  # a number would be compiled as a constant
        _compiled()(large, rate)


@cache
def _compiled() -> Callable[[list[tuple[Tensor, ...]], Tensor], None]:
    return torch.compile(_both_)  # importing it takes seconds


def _both_(weights: Sequence[tuple[Tensor, ...]], lr: Tensor | float) -> None:
    for theta, gradient, anchor, share in weights:
        wide = theta.to(share.dtype) - lr * gradient.to(share.dtype)
        theta.copy_(wide.lerp(anchor.to(share.dtype), share))
