"""``nn.LSTM``, ``GRU`` and ``RNN``, unrolled here: the gradients of the gates are at hand."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from wpl.fisher.accumulation.dense import Dense
from wpl.fisher.accumulation.precision import full_precision, precise
from wpl.fisher.accumulation.sum import Contribution
from wpl.fisher.engines.rows import Rows
from wpl.fisher.layers.cells import CELLS, Unrolled
from wpl.fisher.layers.linear import Outer

if TYPE_CHECKING:
    from wpl.fisher.engines.recorder import Recorder


def recurrent(
    recorder: "Recorder",
    func: Callable[..., Any],
    input: Tensor,  # noqa: A002
    state: Any,
    weights: Any,
    *settings: Any,
) -> Any:
    """Record ``torch.lstm``, ``gru``, ``rnn_tanh`` or ``rnn_relu``.

    Returns:
        Output and last states; None for packed sequences and projections.
    """
    if len(settings) != 6 or isinstance(state, bool) or isinstance(weights, bool):
        return None
    biased, layers, dropout, training, two_ways, batch_first = settings
    place = Rows(0 if batch_first else 1)
    per_layer = 4 if biased else 2
    ways = 2 if two_ways else 1
    fits = len(weights) == per_layer * layers * ways and input.ndim == 3
    if not fits or recorder.samples_in(input) != place or (training and dropout):
        return None
    states = list(state) if isinstance(state, list | tuple) else [state]
    x = input.transpose(0, 1) if batch_first else input  # (time, sample, feature)
    ends: list[Sequence[Tensor]] = []
    for layer in range(layers):
        outputs = []
        for way in range(ways):
            index = layer * ways + way
            part = weights[per_layer * index : per_layer * (index + 1)]
            h = [s[index] for s in states]
            run, *last = _unroll(recorder, func.__name__, x.flip(0) if way else x, h, part)
            outputs.append(run.flip(0) if way else run)
            ends.append(last)
        x = torch.cat(outputs, 2) if two_ways else outputs[0]
    out = x.transpose(0, 1) if batch_first else x
    return out, *(torch.stack(each) for each in zip(*ends, strict=True))


def _unroll(
    recorder: "Recorder", name: str, x: Tensor, states: list[Tensor], weights: Sequence[Tensor]
) -> Sequence[Tensor]:
    recorder.expect(*weights)

    def contribute(
        before: Tensor, d_input: Tensor, d_state: Tensor
    ) -> Iterator[tuple[Tensor, Contribution]]:
        for weight, factor, gates in zip(
            weights, (x.detach(), before, None, None), (d_input, d_state) * 2, strict=False
        ):
            if recorder.wants(weight):
                g = precise(gates.transpose(0, 1))  # (sample, time, gate)
                if factor is None:
                    yield weight, Dense(g.sum(1))
                else:
                    yield weight, Outer(precise(factor.transpose(0, 1)), g)

    with full_precision(x.device.type):  # autocast has its own ways with the layers of torch only
        result: Sequence[Tensor] = Unrolled.apply(
            CELLS[name],
            lambda *gates: recorder.receive(contribute(*gates)),
            recorder.anchor(x),
            x.to(weights[0].dtype),
            *_padded([s.to(weights[0].dtype) for s in states]),
            *_padded([recorder.stand_in(w) for w in weights], 4),
        )
    return result[: 1 + len(states)]


def _padded(values: list[Tensor], length: int = 2) -> list[Tensor | None]:
    return [*values, *[None] * (length - len(values))]
