"""Squares are computed in single precision at least, whatever the model's data type."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def precise(tensor: Tensor) -> Tensor:
    """Convert half precision to single precision.

    Args:
        tensor: Of any shape.

    Returns:
        The tensor itself, or a copy in single precision.
    """
    return tensor.float() if tensor.dtype in (torch.half, torch.bfloat16) else tensor


def precise_type(dtype: torch.dtype) -> torch.dtype:
    """Return the data type that ``precise`` converts to."""
    return torch.float if dtype in (torch.half, torch.bfloat16) else dtype


def full_precision(device: str) -> AbstractContextManager[None]:
    """Disable autocast for a type of device, if it is enabled."""
    if torch.is_autocast_enabled(device):
        return torch.autocast(device, enabled=False)
    return nullcontext()
