"""The calls whose squares have a closed form, by the name of the function."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from wpl.fisher.layers import (
    attention,
    cell_calls,
    convolution,
    embedding,
    linear,
    norms,
    recurrent,
)

# Each takes the recorder, the function and its arguments; None says that the use is not known.
LAYERS: dict[str, Callable[..., Any]] = {
    "linear": linear.linear,
    **dict.fromkeys(["matmul", "mm"], linear.product),
    "embedding": embedding.embedding,
    "conv1d": convolution.convolution,
    "conv2d": convolution.convolution,
    "conv3d": convolution.convolution,
    "layer_norm": norms.layer_norm,
    "rms_norm": norms.rms_norm,
    "group_norm": norms.group_norm,
    "batch_norm": norms.batch_norm,
    **dict.fromkeys(["lstm", "gru", "rnn_tanh", "rnn_relu"], recurrent.recurrent),
}

# These are written out, and the calls that they are made of are seen themselves; None, too.
COMPOSED: dict[str, Callable[..., Any]] = {
    "multi_head_attention_forward": attention.multi_head_attention,
    "lstm_cell": cell_calls.lstm_cell,
    "gru_cell": cell_calls.gru_cell,
    "rnn_tanh_cell": partial(cell_calls.rnn_cell, torch.tanh),
    "rnn_relu_cell": partial(cell_calls.rnn_cell, torch.relu),
}
