"""``nn.LSTM``, ``GRU`` and ``RNN``, and their cells: linear layers, and gates step by step.

In shapes, *sample* stands for samples times rows of a sample.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from wpl.fisher.accumulation.squares import Dense, Outer, full_precision, precise
from wpl.fisher.layers.registry import COMPOSED, Engine, Form

# From what input and hidden state add to the gates, ``(sample, gate · width)`` each, and the states
# ``(sample, width)``, hidden state first, the next states.
Gates = Callable[[Tensor, Tensor, Sequence[Tensor]], list[Tensor]]


def lstm(of_x: Tensor, of_h: Tensor, states: Sequence[Tensor]) -> list[Tensor]:
    """Compute c' = f∘c + i∘g and h' = o∘tanh c' with the gates i, f, g, o."""
    i, f, g, o = (of_x + of_h).chunk(4, -1)
    memory = f.sigmoid() * states[1] + i.sigmoid() * g.tanh()
    return [o.sigmoid() * memory.tanh(), memory]


def gru(of_x: Tensor, of_h: Tensor, states: Sequence[Tensor]) -> list[Tensor]:
    """Compute h' = (1 − z)∘n + z∘h with the gates r, z and n = tanh(n_x + r∘n_h)."""
    width = states[0].shape[-1]
    (rz_x, n_x), (rz_h, n_h) = (t.split([2 * width, width], -1) for t in (of_x, of_h))
    r, z = (rz_x + rz_h).sigmoid().chunk(2, -1)
    n = torch.tanh(n_x + r * n_h)
    return [n + z * (states[0] - n)]


def rnn(
    function: Callable[[Tensor], Tensor], of_x: Tensor, of_h: Tensor, states: Sequence[Tensor]
) -> list[Tensor]:
    """Compute h' = φ(x + h)."""
    del states
    return [function(of_x + of_h)]


GATES: dict[Callable[..., Any], Gates] = {
    torch.lstm: lstm,
    torch.gru: gru,
    torch.rnn_tanh: partial(rnn, torch.tanh),
    torch.rnn_relu: partial(rnn, torch.relu),
}


def cell(
    gates: Gates,
    input: Tensor,  # noqa: A002
    hx: Any,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Any:
    """Compute ``torch.lstm_cell`` and its kin, whose arguments these are, with two linear layers.

    Returns:
        The next hidden state, for an LSTM with the memory.
    """
    states = hx if isinstance(hx, tuple | list) else [hx]
    new = gates(F.linear(input, w_ih, b_ih), F.linear(states[0], w_hh, b_hh), states)
    return tuple(new) if len(new) > 1 else new[0]


COMPOSED[torch.lstm_cell] = partial(cell, lstm)
COMPOSED[torch.gru_cell] = partial(cell, gru)
COMPOSED[torch.rnn_tanh_cell] = partial(cell, GATES[torch.rnn_tanh])
COMPOSED[torch.rnn_relu_cell] = partial(cell, GATES[torch.rnn_relu])


def recurrent(
    engine: Engine,
    func: Callable[..., Any],
    input: Tensor,  # noqa: A002
    state: Any,
    weights: Any,
    *settings: Any,
) -> Any:
    """Run ``torch.lstm``, ``gru``, ``rnn_tanh`` or ``rnn_relu`` for all samples.

    Args:
        engine: The engine that calls the layer.
        func: The function of torch.
        input: ``(sample, *shape)``, with the shape that torch takes for a batch of one.
        state: First states ``(sample, layer, batch, width)``, or without the samples.
        weights: Weights and biases of all layers, in torch's order and shapes.
        *settings: Further arguments of torch.

    Returns:
        Output and last states ``(sample, *shape)``; ``NotImplemented`` for packed sequences and
        projections.
    """
    if len(settings) != 6 or isinstance(state, bool) or isinstance(weights, bool):
        return NotImplemented
    biased, layers, dropout, training, two_ways, batch_first = settings
    states = list(state) if isinstance(state, list | tuple) else [state]
    per_layer, ways = 4 if biased else 2, 2 if two_ways else 1
    batch = 1 if batch_first else 2
    fits = len(weights) == per_layer * layers * ways and input.ndim == 4
    if not fits or (training and dropout):
        return NotImplemented
    if any(s.ndim == 3 and s.requires_grad for s in states):
        return NotImplemented  # a first state that is a weight
    samples, rows = len(input), input.shape[batch]  # of each sample
    x = input.movedim(3 - batch, 0).flatten(1, 2)  # (time, sample · row, feature)
    states = [s.expand(samples, *s.shape[-3:]).transpose(0, 1).flatten(1, 2) for s in states]
    layer = partial(_layer, engine, GATES[func], samples, f"closed form ({func.__name__})")
    ends: list[Sequence[Tensor]] = []
    for k in range(layers):
        outputs = []
        for way in range(ways):
            index = k * ways + way
            part = weights[per_layer * index : per_layer * (index + 1)]
            run, last = layer(x.flip(0) if way else x, [s[index] for s in states], *part)
            outputs.append(run.flip(0) if way else run)
            ends.append(last)
        x = torch.cat(outputs, 2) if two_ways else outputs[0]
    last_states = (torch.stack(each, 1) for each in zip(*ends, strict=True))
    out = x.unflatten(1, (samples, rows)).movedim(0, 3 - batch)
    return out, *(last.unflatten(0, (samples, rows)).transpose(1, 2) for last in last_states)


def _layer(
    engine: Engine,
    gates: Gates,
    samples: int,
    way: str,
    x: Tensor,
    states: list[Tensor],
    w_x: Tensor,
    w_h: Tensor,
    b_x: Tensor | None = None,
    b_h: Tensor | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """Run one layer in one direction; return its outputs and last states."""

    def split(t: Tensor) -> Tensor:
        return precise(t.transpose(0, 1)).reshape(samples, -1, t.shape[-1])

    def forms(weight: Tensor, bias: Tensor | None, factor: Callable[[], Tensor]) -> list[Form]:
        return [
            (weight, lambda g: Outer(split(factor()), split(g))),
            (bias, lambda g: Dense(split(g).sum(1))),
        ]

    def before() -> Tensor:
        return torch.cat([first.detach().unsqueeze(0), out[:-1].detach()])

    with full_precision(x.device.type):  # autocast has its own ways with the layers of torch only
        x, states = x.to(w_h.dtype), [s.to(w_h.dtype) for s in states]
        first, outputs = states[0], []
        of_x = F.linear(x, engine.stand_in(w_x), engine.stand_in(b_x))
        of_x = engine.tap(of_x, forms(w_x, b_x, x.detach), way)
        zeros = of_x.new_zeros(()).expand(of_x.shape)  # gets the gradient of what the states add
        zeros = engine.tap(zeros, forms(w_h, b_h, before), way)
        matrix = engine.stand_in(w_h).t()
        shifts = zeros if b_h is None else zeros + engine.stand_in(b_h)
        for here, shift in zip(of_x.unbind(), shifts.unbind(), strict=True):
            states = gates(here, torch.addmm(shift, states[0], matrix), states)
            outputs.append(states[0])
        out = torch.stack(outputs)
    return out, states
