"""The interface of a distribution of labels.

Outputs are converted to z ``(batch, position, class)``, with one class where a position has no
classes; labels are y ``(batch, position)``. Positions are independent given the outputs.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor


class Standard(NamedTuple):
    """Outputs and labels in the form that all likelihoods share."""

    z: Tensor  # (batch, position, class)
    y: Tensor | None  # (batch, position)
    restore: Callable[[Tensor], Tensor]  # from z, or some of its rows, to the shape of the outputs


# Of z and y.
OfLabels = Callable[[Tensor, Tensor], Tensor]
Draw = Callable[[Tensor, int, torch.Generator | None], Tensor]


class Likelihood(NamedTuple):
    """Functions of outputs z and labels y, in double or single precision.

    The score of a sample is Jᵀ v, with the Jacobian J of its outputs and v = ∂ log p(y)/∂z, up to
    the sign, which does not change the squares. Over labels drawn from the model, the covariance of
    v is Σ_k v_k v_kᵀ with the vectors of ``factors``, one for each position and k.
    """

    standard: Callable[[Tensor, Tensor | None, int | None], Standard]  # checks shapes and types
    check_labels: Callable[[Tensor, Tensor], None]  # z, and the y that count: checks their range
    error: OfLabels  # −∂ log p(y)/∂z
    loss: OfLabels  # −log p(y), (batch, position), without constants
    draw: Draw  # labels (batch, draw, position)
    sketch: Callable[[Tensor, Tensor], Tensor]  # Σ_k s_k v_k, for random signs s in the shape of z
    factors: Callable[[Tensor], Iterator[Tensor]]  # v_k (batch, position, class), all positions
    number: Callable[[Tensor], int]  # of these factors


def uniform(shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw double-precision numbers in [0, 1) row by row, so that the batch size has no effect."""
    device = torch.device("cpu") if generator is None else generator.device
    drawn = torch.rand(shape, generator=generator, dtype=torch.float64, device=device)
    return drawn.to(like.device)


def signs(shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw signs row by row, as booleans: true stands for 1, false for −1."""
    device = torch.device("cpu") if generator is None else generator.device
    bits = torch.randint(2, shape, generator=generator, dtype=torch.uint8, device=device)
    return bits.to(like.device).bool()
