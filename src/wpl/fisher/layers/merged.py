"""Functions without weights of their own, called once with the samples merged into the batch.

``torch.vmap`` would call some of them sample by sample.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from wpl.fisher.layers.registry import MERGED, Form, Samples, register


@register(
    *(torch.max_pool1d, torch.max_pool2d, torch.max_pool3d),
    *(F.avg_pool1d, F.avg_pool2d, F.avg_pool3d),
    *(F.adaptive_avg_pool2d, F.adaptive_avg_pool3d, F.interpolate, F.pixel_shuffle),
    samples=Samples.BATCH,
)
def without_weights(*_: Any, **__: Any) -> list[Form]:
    """Closed form of functions without weights: none to return; see ``register``."""
    return []


def attention(
    per_sample: Callable[[Tensor], Tensor],
    func: Callable[..., Tensor],
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    *args: Any,
    **settings: Any,
) -> Any:
    """Call ``F.scaled_dot_product_attention``.

    Args:
        per_sample: Maps any tensor to ``(sample, *shape)``.
        func: The function.
        query: ``(batch, head, time, feature)``.
        key: As ``query``.
        value: As ``query``.
        attn_mask: Broadcasts to ``(batch, head, time, time)``, if there is one.
        *args: Further arguments.
        **settings: Further arguments.

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
    out = func(q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1), attn_mask, *args, **settings)
    return out.unflatten(0, (samples, batch))


MERGED[F.scaled_dot_product_attention] = attention
