"""Attention: its calls in torch's own code are intercepted; samples are merged into the batch."""

from collections.abc import Callable
from types import FunctionType
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from wpl.fisher.layers.registry import COMPOSED


def opened(function: Callable[..., Any]) -> Callable[..., Any]:
    """Copy a Python function of torch so that it does not dispatch to function modes."""
    assert isinstance(function, FunctionType)
    scope = {**function.__globals__, "has_torch_function": lambda _: False}
    copy = FunctionType(function.__code__, scope, function.__name__, function.__defaults__)
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


COMPOSED[F.multi_head_attention_forward] = opened(F.multi_head_attention_forward)


def merged_attention(
    per_sample: Callable[[Tensor], Tensor],
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    *args: Any,
    **settings: Any,
) -> Any:
    """Call ``F.scaled_dot_product_attention`` with the samples merged into the batch.

    ``per_sample`` maps any tensor to ``(sample, *shape)``; the others are as in torch.

    Returns:
        The output ``(sample, batch, head, time, feature)``; ``NotImplemented`` for other shapes.
    """
    if {query.ndim, key.ndim, value.ndim} != {4} or len({*map(len, (query, key, value))}) > 1:
        return NotImplemented
    q, k, v = map(per_sample, (query, key, value))
    samples, batch = q.shape[:2]
    if attn_mask is not None:
        mask = per_sample(attn_mask)
        mask = mask.reshape(samples, *[1] * (4 - attn_mask.ndim), *attn_mask.shape)
        attn_mask = mask.expand(samples, batch, *mask.shape[2:]).flatten(0, 1)
    q, k, v = (t.flatten(0, 1) for t in (q, k, v))
    out = F.scaled_dot_product_attention(q, k, v, attn_mask, *args, **settings)
    return out.unflatten(0, (samples, batch))
