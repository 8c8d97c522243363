"""Layers whose squared gradients have a closed form, one kind per file.

Each file registers its functions when it is imported; see ``registry.register``.
"""

from wpl.fisher.layers import (
    attention,
    cell_calls,
    convolution,
    einsum,
    embedding,
    linear,
    merged,
    norms,
    recurrent,
    transposed_convolution,
)

__all__ = [
    "attention",
    "cell_calls",
    "convolution",
    "einsum",
    "embedding",
    "linear",
    "merged",
    "norms",
    "recurrent",
    "transposed_convolution",
]
