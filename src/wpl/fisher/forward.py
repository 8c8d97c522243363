"""How a model is called with a batch, and which of its results are the outputs."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


def forward_of(model: nn.Module, inputs: Any) -> Callable[[Any], Any]:
    """Choose the function that calls a model, given the inputs of a batch.

    A mapping is passed as keyword arguments, a tuple as positional arguments, anything else as the
    only argument. DistributedDataParallel is unwrapped.

    Returns:
        A function from such inputs to the model's result.
    """
    inner: nn.Module = model.module if isinstance(model, DistributedDataParallel) else model
    if isinstance(inputs, Mapping):
        return lambda some: inner(**some)
    return (lambda some: inner(*some)) if isinstance(inputs, tuple) else inner


def outputs_of(result: Any) -> Tensor:
    """Find the outputs in what a model returns.

    Args:
        result: A tensor; an object or dictionary with ``logits`` (or ``out``, as segmentation
            models of torchvision have it); or a tuple, of which the first tensor that is not a
            scalar is taken.

    Returns:
        The outputs ``(batch, ...)``.

    Raises:
        ValueError: If there are none.
    """
    if isinstance(result, Tensor):
        return result
    for key in ("logits", "out"):
        found = result.get(key) if isinstance(result, Mapping) else getattr(result, key, None)
        if isinstance(found, Tensor):
            return found
    if isinstance(result, tuple | list):
        for part in result:
            if isinstance(part, Tensor) and part.ndim:
                return part
    raise ValueError(
        f"the model returns a {type(result).__name__} without logits; expected a tensor, a tuple "
        "that starts with one, or an object with .logits; for anything else give loss="
    )
