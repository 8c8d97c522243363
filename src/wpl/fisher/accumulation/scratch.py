"""Reusable buffers: page faults of new ones would cost as much time as the arithmetic."""

import math
import threading
from collections.abc import Sequence

import torch
from torch import Tensor

SCRATCH = 2**24  # largest buffer in bytes, where the work can be split
_SMALL = 2**17  # elements below which a new buffer is cheaper than a look-up
TILE = 3 * 2**18  # bytes of a buffer that stays in a core's cache together with the total
_KEPT = 2**22  # largest buffer in bytes that is kept after an estimate


class Scratch(threading.local):
    """Buffers by name, per thread; a call with a name overwrites the result of the last one."""

    def __init__(self) -> None:
        """Start without buffers, in each thread."""
        self._buffers: dict[tuple[str, torch.dtype, torch.device], Tensor] = {}

    def empty(self, name: str, shape: Sequence[int], like: Tensor) -> Tensor:
        """Return an uninitialised buffer.

        Args:
            name: Of the buffer.
            shape: Its shape.
            like: Has its data type and device.

        Returns:
            A tensor of this shape.
        """
        size = math.prod(shape)
        key = (name, like.dtype, like.device)
        buffer = self._buffers.get(key)
        if buffer is None or buffer.numel() < size:
            buffer = like.new_empty(size)
            if size * like.element_size() <= _KEPT:
                self._buffers[key] = buffer
        return buffer[:size].view(shape)

    def square(self, name: str, tensor: Tensor) -> Tensor:
        """Square a tensor, into a buffer if it is large.

        Args:
            name: Of the buffer.
            tensor: Of any shape.

        Returns:
            The squares, in the same shape.
        """
        if tensor.numel() <= _SMALL or tensor.is_cuda:
            return tensor * tensor
        return torch.mul(tensor, tensor, out=self.empty(name, tensor.shape, tensor))


BUFFERS = Scratch()
