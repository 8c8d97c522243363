"""Linear layers and matrix products."""

import torch
import torch.nn.functional as F
from torch import Tensor

from wpl.fisher.accumulation.squares import Dense, Outer
from wpl.fisher.layers.registry import Form, Samples, register


@register(F.linear, samples=Samples.LEADING)
def linear(
    input: Tensor,  # noqa: A002
    weight: Tensor,
    bias: Tensor | None = None,
) -> list[Form] | None:
    """Closed form of ``F.linear``, y_t = W x_t + b; see ``register``."""
    if weight.ndim != 2:
        return None
    return [(weight, lambda g: Outer(input, g)), (bias, Dense.over_positions)]


@register(torch.matmul, torch.mm, Tensor.matmul, Tensor.mm, Tensor.__matmul__)
def product(
    input: Tensor,  # noqa: A002
    other: Tensor,
) -> list[Form] | None:
    """Closed form of ``x @ W``, a transposed linear layer, and of ``W @ x``; see ``register``."""
    if other.ndim == 2 and input.ndim > 2:
        return [(other, lambda g: Outer(g, input))]
    if input.ndim == 2 and other.ndim > 2:
        return [(input, lambda g: Outer(other.mT, g.mT))]
    return None


@register(torch.addmm, Tensor.addmm)
def shifted_product(
    input: Tensor,  # noqa: A002
    mat1: Tensor,
    mat2: Tensor,
    *,
    beta: float = 1,
    alpha: float = 1,
) -> list[Form] | None:
    """Closed form of ``b + x @ W``, as used in GPT-2; see ``register``."""
    if input.ndim != 1 or mat2.ndim != 2 or alpha != 1 or beta != 1:
        return None
    return [(mat2, lambda g: Outer(g, mat1)), (input, Dense.over_positions)]
