"""Multi-head attention, written as its projections and the attention proper."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def multi_head_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    is_causal: bool = False,
    **others: Any,
) -> tuple[Tensor, None] | None:
    """Write ``F.multi_head_attention_forward`` out, of a sequence to itself.

    Returns:
        Its result; None for what it does with other sequences or more outputs.
    """
    del embed_dim_to_check
    plain = (
        query is key
        and key is value
        and query.ndim == 3
        and in_proj_weight is not None
        and bias_k is None
        and bias_v is None
        and not add_zero_attn
        and not (training and dropout_p)
        and key_padding_mask is None
        and not need_weights
        and (attn_mask is None or attn_mask.ndim == 2)
        and not any(others.get(name) is not None for name in ("static_k", "static_v"))
        and not others.get("use_separate_proj_weight")
    )
    if not plain:
        return None
    mask = attn_mask
    assert in_proj_weight is not None
    if mask is not None and mask.dtype == torch.bool:
        mask = mask.logical_not()  # here, True takes part
    projected = F.linear(query, in_proj_weight, in_proj_bias)  # (time, sample, 3 · width)
    heads = projected.unflatten(-1, (3, num_heads, -1)).permute(2, 1, 3, 0, 4).unbind(0)
    causal = is_causal and mask is None
    q, k, v = heads
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
    joined = out.permute(2, 0, 1, 3).flatten(2)
    return F.linear(joined, out_proj_weight, out_proj_bias), None
