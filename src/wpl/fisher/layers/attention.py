"""Multi-head attention, written out by torch, with its calls intercepted."""

from collections.abc import Callable
from types import FunctionType
from typing import Any

import torch.nn.functional as F

from wpl.fisher.layers.registry import COMPOSED


def opened(function: Callable[..., Any]) -> Callable[..., Any]:
    """Copy a Python function of torch so that it does not dispatch to function modes."""
    assert isinstance(function, FunctionType)
    scope = {**function.__globals__, "has_torch_function": lambda _: False}
    copy = FunctionType(function.__code__, scope, function.__name__, function.__defaults__)
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


COMPOSED[F.multi_head_attention_forward] = opened(F.multi_head_attention_forward)
