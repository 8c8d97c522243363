"""Layers whose squared gradients have a closed form, one kind per file.

Most files register their functions when they are imported; see ``registry.register``.
"""

from wpl.fisher.layers import (
    attention,
    cell_calls,
    convolution,
    einsum,
    embedding,
    linear,
    norms,
    pooling,
    transposed_convolution,
)

__all__ = [
    "attention",
    "cell_calls",
    "convolution",
    "einsum",
    "embedding",
    "linear",
    "norms",
    "pooling",
    "transposed_convolution",
]
