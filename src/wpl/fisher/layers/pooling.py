"""Pooling and resizing: no weights, but ``torch.vmap`` would call some sample by sample."""

from typing import Any

import torch
import torch.nn.functional as F

from wpl.fisher.layers.registry import Form, Samples, register


@register(
    *(torch.max_pool1d, torch.max_pool2d, torch.max_pool3d),
    *(F.avg_pool1d, F.avg_pool2d, F.avg_pool3d),
    *(F.adaptive_avg_pool2d, F.adaptive_avg_pool3d, F.interpolate, F.pixel_shuffle),
    samples=Samples.BATCH,
)
def without_weights(*_: Any, **__: Any) -> list[Form]:
    """Closed form of functions without weights: none to return; see ``register``."""
    return []
