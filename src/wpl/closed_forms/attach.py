"""Part of the graph without a gradient of its own."""

from typing import Any

import torch
from torch import Tensor


class Attach(torch.autograd.Function):
    """Makes a tensor that needs no gradient part of the graph, without a copy."""

    @staticmethod
    def forward(ctx: Any, out: Tensor, anchor: Tensor) -> Tensor:
        """Give the tensor back."""
        del anchor
        ctx.mark_dirty(out)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None]:
        """End here."""
        del ctx, gradients
        return None, None
