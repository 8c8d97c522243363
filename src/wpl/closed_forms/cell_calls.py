"""Cells called step by step, such as ``nn.LSTMCell``, written as their two layers and the rest."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def lstm_cell(x: Tensor, state: Any, *weights: Any) -> tuple[Tensor, Tensor]:
    """Write ``torch.lstm_cell`` out.

    Returns:
        The next state and memory.
    """
    of_x, of_h = _layers(x, state[0], *weights)
    entry, keep, new, shown = (of_x + of_h).chunk(4, -1)
    memory = keep.sigmoid() * state[1] + entry.sigmoid() * new.tanh()
    return shown.sigmoid() * memory.tanh(), memory


def gru_cell(x: Tensor, h: Tensor, *weights: Any) -> Tensor:
    """Write ``torch.gru_cell`` out.

    Returns:
        The next state.
    """
    of_x, of_h = (gates.chunk(3, -1) for gates in _layers(x, h, *weights))
    reset, update = ((a + b).sigmoid() for a, b in zip(of_x[:2], of_h[:2], strict=True))
    new = torch.tanh(of_x[2] + reset * of_h[2])
    return new + update * (h - new)


def rnn_tanh_cell(x: Tensor, h: Tensor, *weights: Any) -> Tensor:
    """Write ``torch.rnn_tanh_cell`` out.

    Returns:
        The next state.
    """
    of_x, of_h = _layers(x, h, *weights)
    return torch.tanh(of_x + of_h)


def rnn_relu_cell(x: Tensor, h: Tensor, *weights: Any) -> Tensor:
    """Write ``torch.rnn_relu_cell`` out.

    Returns:
        The next state.
    """
    of_x, of_h = _layers(x, h, *weights)
    return torch.relu(of_x + of_h)


def _layers(
    x: Tensor,
    h: Tensor,
    w_x: Tensor,
    w_h: Tensor,
    b_x: Tensor | None = None,
    b_h: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    return F.linear(x, w_x, b_x), F.linear(h, w_h, b_h)
