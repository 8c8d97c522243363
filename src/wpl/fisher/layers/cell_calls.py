"""Cells called step by step, such as ``nn.LSTMCell``, written out with their two linear layers.

Their arguments have the names and shapes that they have in torch: ``input`` ``(batch, in)``, states
``(batch, width)``, weights ``(gate · width, in or width)``, biases ``(gate · width)``.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from wpl.fisher.layers.registry import COMPOSED


def lstm_cell(
    input: Tensor,  # noqa: A002
    hx: Sequence[Tensor],
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Compute ``torch.lstm_cell``: the next hidden state and memory."""
    gates = F.linear(input, w_ih, b_ih) + F.linear(hx[0], w_hh, b_hh)
    entry, keep, new, shown = gates.chunk(4, -1)
    memory = keep.sigmoid() * hx[1] + entry.sigmoid() * new.tanh()
    return shown.sigmoid() * memory.tanh(), memory


def gru_cell(
    input: Tensor,  # noqa: A002
    hx: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:
    """Compute ``torch.gru_cell``: the next hidden state."""
    of_x = F.linear(input, w_ih, b_ih).chunk(3, -1)
    of_h = F.linear(hx, w_hh, b_hh).chunk(3, -1)
    reset, update = ((a + b).sigmoid() for a, b in zip(of_x[:2], of_h[:2], strict=True))
    new = torch.tanh(of_x[2] + reset * of_h[2])
    return new + update * (hx - new)


def rnn_cell(
    activation: Callable[[Tensor], Tensor],
    input: Tensor,  # noqa: A002
    hx: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:
    """Compute ``torch.rnn_tanh_cell`` or ``rnn_relu_cell``: the next hidden state."""
    return activation(F.linear(input, w_ih, b_ih) + F.linear(hx, w_hh, b_hh))


COMPOSED[torch.lstm_cell] = lstm_cell
COMPOSED[torch.gru_cell] = gru_cell
COMPOSED[torch.rnn_tanh_cell] = partial(rnn_cell, torch.tanh)
COMPOSED[torch.rnn_relu_cell] = partial(rnn_cell, torch.relu)
