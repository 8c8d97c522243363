"""The calls whose squares have a closed form, by the name of the function."""

from collections.abc import Callable
from typing import Any

from wpl.closed_forms import attention, convolution, embedding, linear, norms, recurrent

# Each takes the recorder, the function and its arguments; None says that the use is not known.
LAYERS: dict[str, Callable[..., Any]] = {
    "linear": linear.linear,
    "embedding": embedding.embedding,
    "conv1d": convolution.convolution,
    "conv2d": convolution.convolution,
    "conv3d": convolution.convolution,
    "layer_norm": norms.layer_norm,
    "rms_norm": norms.rms_norm,
    "group_norm": norms.group_norm,
    "batch_norm": norms.batch_norm,
    "multi_head_attention_forward": attention.multi_head_attention,
    **dict.fromkeys(["lstm", "gru", "rnn_tanh", "rnn_relu"], recurrent.recurrent),
}
