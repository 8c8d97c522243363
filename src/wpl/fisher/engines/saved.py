"""Tensors that the backward pass needs."""

from collections.abc import Callable

from torch import Tensor


def saved(tensor: Tensor) -> Callable[[], Tensor]:
    """Keep a tensor for the backward pass.

    Returns:
        What gives it, or raises a RuntimeError if it was changed in place since.
    """
    version = tensor._version

    def get() -> Tensor:
        if tensor._version != version:
            raise RuntimeError(
                f"a tensor {tuple(tensor.shape)} that the backward pass needs was changed in place "
                "after a layer used it; its weights then have no gradient"
            )
        return tensor

    return get
