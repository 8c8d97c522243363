"""Quadratic forms Σ_i w_i/2 (θ_i − a_i)² of a weight: sums, decay, and growth.

The sum of two of them is a third one plus a constant: w = w₁ + w₂, a = (w₁a₁ + w₂a₂)/w, and
Σ_i w₁w₂/(2w) (a₁ − a₂)². So one anchor and one strength suffice for any number of tasks.
"""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor


class Anchored(NamedTuple):
    """The anchor a of a weight and its strength w."""

    anchor: Tensor
    strength: Tensor


def added(one: Anchored, other: Anchored) -> tuple[Anchored, Tensor]:
    """Add the quadratic forms of two tasks, in double precision.

    Args:
        one: The form of the earlier tasks.
        other: The form of a new task, in the same shape.

    Returns:
        Anchor and strength of the sum (where the strength is 0, the anchor is the new one), and
        the constant, a scalar.
    """
    w1, w2 = one.strength.double(), other.strength.double()
    strength = w1 + w2
    share = torch.where(strength > 0, w2 / strength, 1.0)
    gap = other.anchor.double() - one.anchor.double()
    anchor = (one.anchor.double() + share * gap).to(other.anchor)
    constant = (w1 * share * gap.square()).sum() / 2
    return Anchored(anchor, strength.to(other.strength)), constant


def replaced(one: Anchored, other: Anchored, decay: float) -> Anchored:
    """Move the anchor to that of a new task and let the earlier strength decay (online EWC).

    Args:
        one: The form of the earlier tasks.
        other: The form of a new task, in the same shape.
        decay: γ, the factor on the earlier strength.

    Returns:
        The new anchor, with strength γ w₁ + w₂.
    """
    return Anchored(other.anchor, decay * one.strength + other.strength)


def grown(name: str, one: Anchored, values: Tensor) -> Anchored:
    """Extend a form to a weight that has grown at the end of some dimensions; new entries are free.

    Args:
        name: Name of the weight, for the error.
        one: The form, in the previous shape of the weight.
        values: The current weight, the anchor of new entries, whose strength is 0.

    Returns:
        The form in the weight's shape.

    Raises:
        ValueError: If the weight has shrunk, or has another number of dimensions.
    """
    old, new = one.anchor.shape, values.shape
    if old == new:
        return one
    if len(old) != len(new) or any(a > b for a, b in zip(old, new, strict=True)):
        raise ValueError(
            f"the weight {name!r} has shape {tuple(new)}; its anchor has {tuple(old)}, which can "
            "only grow, at the end of each dimension"
        )
    corner = tuple(slice(size) for size in old)
    anchor, strength = values.detach().clone(), one.strength.new_zeros(new)
    anchor[corner], strength[corner] = one
    return Anchored(anchor, strength)


def rates(optimizer: torch.optim.Optimizer, weights: Iterable[Tensor]) -> list[float]:
    """Compute what an optimiser's steps add up to for each weight, from its parameter groups.

    Args:
        optimizer: An optimiser, with or without momentum in its groups.
        weights: The weights, of any shapes; the rate is 0 for those that it does not train.

    Returns:
        lr/(1 − μ) for each weight.
    """
    groups = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    found = []
    for p in weights:
        group = groups.get(id(p), {"lr": 0.0})
        found.append(float(group["lr"]) / (1 - group.get("momentum", 0.0)))
    return found
