"""Buffers that are used again: fresh ones cost page faults, as much as the arithmetic on them."""

import math
import threading
from collections.abc import Sequence

import torch
from torch import Tensor

SCRATCH = 2**24  # bytes of a buffer at most, where the work can be cut
_SMALL = 2**17  # elements, below which looking a buffer up costs more than a fresh one
TILE = 3 * 2**18  # bytes of a buffer that stays in one core's cache, beside what is added to
_KEPT = 2**22  # bytes of a buffer at most that outlives an estimate


class Scratch(threading.local):
    """Buffers by name; each call with a name overwrites what the last one gave."""

    def __init__(self) -> None:
        """Start without any, in each thread."""
        self._buffers: dict[tuple[str, torch.dtype, torch.device], Tensor] = {}

    def empty(self, name: str, shape: Sequence[int], like: Tensor) -> Tensor:
        """Give a buffer with any content, with the data type and device of ``like``."""
        size = math.prod(shape)
        key = (name, like.dtype, like.device)
        buffer = self._buffers.get(key)
        if buffer is None or buffer.numel() < size:
            buffer = like.new_empty(size)
            if size * like.element_size() <= _KEPT:
                self._buffers[key] = buffer
        return buffer[:size].view(shape)

    def square(self, name: str, tensor: Tensor) -> Tensor:
        """Square into a buffer, if it is worth one."""
        if tensor.numel() <= _SMALL or tensor.is_cuda:
            return tensor * tensor
        return torch.mul(tensor, tensor, out=self.empty(name, tensor.shape, tensor))


BUFFERS = Scratch()
