"""Embeddings: vectors that are looked up by id."""

import torch.nn.functional as F
from torch import Tensor

from wpl.fisher.accumulation.picked import Picked
from wpl.fisher.layers.registry import Form, Samples, positions, register


@register(F.embedding, samples=Samples.LEADING)
def embedding(
    input: Tensor,  # noqa: A002
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> list[Form] | None:
    """Closed form of ``F.embedding``, except options that change the weight; see ``register``."""
    del norm_type, sparse
    if max_norm is not None or scale_grad_by_freq:
        return None
    ids = input.reshape(len(input), -1)

    def picked(gradient: Tensor) -> Picked:
        g = positions(gradient)
        if padding_idx is not None:
            g = g * (ids != padding_idx % len(weight)).unsqueeze(-1)
        return Picked(ids, g, len(weight))

    return [(weight, picked)]
