"""``nn.LSTM``, ``GRU`` and ``RNN``, unrolled to get the gradients of the gates."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from wpl.fisher.accumulation.dense import Dense
from wpl.fisher.accumulation.outer import Outer
from wpl.fisher.accumulation.precision import full_precision, precise
from wpl.fisher.layers.cells import CELLS, Cell, Unrolled
from wpl.fisher.layers.registry import WHOLE, Form


class Engine(Protocol):
    """What a layer that is written out needs from the engine that calls it."""

    def stand_in(self, tensor: Any) -> Any:
        """Replace a weight by one that needs no gradient."""

    def tap(self, out: Tensor, forms: Sequence[Form], way: str) -> Tensor:
        """Compute the contributions when the gradient is available; see ``Intercept.tap``."""


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
    ends: list[Sequence[Tensor]] = []
    for layer in range(layers):
        outputs = []
        for way in range(ways):
            index = layer * ways + way
            part = weights[per_layer * index : per_layer * (index + 1)]
            run, *last = _layer(
                engine,
                CELLS[func.__name__],
                x.flip(0) if way else x,
                [s[index] for s in states],
                [*part, *[None] * (4 - per_layer)],
                samples,
                f"closed form ({func.__name__})",
            )
            outputs.append(run.flip(0) if way else run)
            ends.append(last)
        x = torch.cat(outputs, 2) if two_ways else outputs[0]
    last_states = (torch.stack(each, 1) for each in zip(*ends, strict=True))
    out = x.unflatten(1, (samples, rows)).movedim(0, 3 - batch)
    return out, *(last.unflatten(0, (samples, rows)).transpose(1, 2) for last in last_states)


def _layer(
    engine: Engine,
    cell: Cell,
    x: Tensor,
    states: list[Tensor],
    weights: Sequence[Tensor | None],
    samples: int,
    way: str,
) -> Sequence[Tensor]:
    w_x, w_h, b_x, b_h = weights
    assert w_h is not None

    def before() -> Tensor:
        return torch.cat([states[0].detach().unsqueeze(0), out[:-1].detach()])

    with full_precision(x.device.type):  # autocast has its own ways with the layers of torch only
        stand_ins = [engine.stand_in(w) for w in weights]
        x = x.to(w_h.dtype)
        states = [s.to(w_h.dtype) for s in states]
        zx = F.linear(x, stand_ins[0], stand_ins[2])
        zx = engine.tap(zx, _forms(w_x, b_x, x.detach, samples), way)
        zeros = zx.new_zeros(()).expand(zx.shape)
        zeros = engine.tap(zeros, _forms(w_h, b_h, before, samples), way)
        memory = states[1] if len(states) > 1 else None
        result = Unrolled.apply(cell, zx, zeros, states[0], memory, stand_ins[1], stand_ins[3])
        out: Tensor = result[0]
    found: Sequence[Tensor] = result
    return found


def _forms(
    weight: Tensor | None, bias: Tensor | None, factor: Callable[[], Tensor], samples: int
) -> list[Form]:
    """Make the forms of gates ``(time, sample · row, gate)``: W times a factor, plus b."""

    def split(t: Tensor) -> Tensor:
        return precise(t.transpose(0, 1)).reshape(samples, -1, t.shape[-1])

    return [
        (weight, lambda g: Outer(split(factor()), split(g))),
        (bias, lambda g: Dense(split(g).sum(1))),
    ]


WHOLE.update(dict.fromkeys([torch.lstm, torch.gru, torch.rnn_tanh, torch.rnn_relu], recurrent))
