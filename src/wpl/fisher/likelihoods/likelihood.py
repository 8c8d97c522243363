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


class Likelihood(NamedTuple):
    """Functions of outputs z and labels y, in double or single precision.

    The score of a sample is Jᵀ v, with the Jacobian J of its outputs and v = ∂ log p(y)/∂z, up to
    the sign, which does not change the squares. Over labels drawn from the model, the covariance of
    v is Σ_k v_k v_kᵀ with the vectors of ``factors``, one for each position and k.
    """

    standard: Callable[[Tensor, Tensor | None, int | None], Standard]  # checks shapes and types
    check_labels: Callable[[Tensor, Tensor], None]  # z, and the y that count: checks their range
    error: Callable[[Tensor, Tensor], Tensor]  # −∂ log p(y)/∂z
    loss: Callable[[Tensor, Tensor], Tensor]  # −log p(y), (batch, position), without constants
    draw: Callable[[Tensor, int, torch.Generator | None], Tensor]  # labels (batch, draw, position)
    sketch: Callable[[Tensor, Tensor], Tensor]  # Σ_k s_k v_k, for random signs s in the shape of z
    factors: Callable[[Tensor], Iterator[Tensor]]  # v_k (batch, position, class), all positions
    number: Callable[[Tensor], int]  # of these factors


def uniform(shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw numbers in [0, 1) row by row, so that the batch size has no effect.

    Args:
        shape: Shape of the result; its first dimension is the rows.
        like: A tensor on the device of the result.
        generator: Source of the numbers.

    Returns:
        The numbers, in double precision.
    """
    device = torch.device("cpu") if generator is None else generator.device
    drawn = torch.rand(shape, generator=generator, dtype=torch.float64, device=device)
    return drawn.to(like.device)


def signs(shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw signs row by row.

    Args:
        shape: Shape of the result; its first dimension is the rows.
        like: A tensor on the device of the result.
        generator: Source of the signs.

    Returns:
        Booleans: true stands for 1, false for −1.
    """
    device = torch.device("cpu") if generator is None else generator.device
    bits = torch.randint(2, shape, generator=generator, dtype=torch.uint8, device=device)
    return bits.to(like.device).bool()


def elementwise(
    title: str, outputs: Tensor, targets: Tensor | None, class_dim: int | None
) -> Standard:
    """Convert outputs that each have their own label to the common form.

    Args:
        title: Name of the likelihood.
        outputs: ``(batch, ...)``.
        targets: In the same shape, or without a last dimension of 1.
        class_dim: Must be None.

    Returns:
        The common form, with one class.

    Raises:
        ValueError: If the targets do not fit the outputs.
    """
    if class_dim is not None:
        raise ValueError(f"class_dim is for categorical outputs; likelihood is {title!r}")
    shape = outputs.shape
    column = len(shape) > 1 and shape[-1] == 1  # one output; labels often lack its dimension
    if (
        targets is not None
        and targets.shape != shape
        and not (column and targets.shape == shape[:-1])
    ):
        raise ValueError(
            f"expected targets {tuple(shape)} for {title} outputs {tuple(shape)}; got "
            f"{tuple(targets.shape)}"
        )
    y = None if targets is None else targets.reshape(shape[0], -1)
    return Standard(outputs.reshape(shape[0], -1, 1), y, lambda v: v.reshape(-1, *shape[1:]))


def diagonal_factors(deviation: Tensor) -> Iterator[Tensor]:
    """Yield the factors of a diagonal covariance: the standard deviation at one class each.

    Args:
        deviation: Standard deviations ``(batch, position, class)``.

    Yields:
        Factors in the same shape.
    """
    for position in range(deviation.shape[1]):
        vector = torch.zeros_like(deviation)
        vector[:, position] = deviation[:, position]
        yield vector
