"""Inputs of layers that the backward pass needs."""

from collections.abc import Callable

from torch import Tensor


def saved_input(tensor: Tensor) -> Callable[[], Tensor]:
    """Keep an input for the backward pass.

    Returns:
        What gives it, or raises a RuntimeError if it was changed in place since.
    """
    version = tensor._version

    def saved() -> Tensor:
        if tensor._version != version:
            raise RuntimeError(
                f"the input {tuple(tensor.shape)} of a layer was changed in place after the "
                "layer used it; its weights then have no gradient"
            )
        return tensor

    return saved
