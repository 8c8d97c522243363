"""How a model is called with a batch."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


def forward_of(model: nn.Module, inputs: Any) -> Callable[[Any], Tensor]:
    """Choose what calls a model, given the inputs of a batch.

    A mapping becomes arguments by name, a tuple arguments in order, anything else is the one
    argument. Wrappers that have nothing to say here are left out: DistributedDataParallel.

    Returns:
        A function from such inputs to the output ``(batch, ...)``.
    """
    inner: nn.Module = model.module if isinstance(model, DistributedDataParallel) else model
    if isinstance(inputs, Mapping):
        return lambda some: inner(**some)
    return (lambda some: inner(*some)) if isinstance(inputs, tuple) else inner
