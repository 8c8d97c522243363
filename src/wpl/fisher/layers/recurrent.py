"""``nn.LSTM``, ``GRU`` and ``RNN``, unrolled to get the gradients of the gates."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from wpl.fisher.accumulation.contributions import Dense, Outer
from wpl.fisher.accumulation.squares import full_precision, precise
from wpl.fisher.layers.registry import Form


class Step(NamedTuple):
    """Intermediate results of one step; gates are stacked, ``(sample, gate · width)``."""

    zx: Tensor  # from the input, overwritten with the values of the gates
    zh: Tensor | None  # from the state, if the cell needs both separately
    old: list[Tensor]  # states ``(sample, width)``
    new: list[Tensor]


class Cell(Protocol):
    """One step of a recurrent layer."""

    separate: bool  # whether the contributions of input and state are not just added

    def forward(self, zx: Tensor, zh: Tensor, states: list[Tensor]) -> list[Tensor]:
        """Compute the next states ``(sample, width)``: hidden state, and memory if there is one.

        Args:
            zx: What the input adds to the gates, ``(sample, gate · width)``; may be overwritten.
            zh: What the state adds to them, in the same shape; may be overwritten.
            states: The states before.

        Returns:
            The next states.
        """

    def backward(self, step: Step, d: list[Tensor]) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Compute the gradients of a step, given those of the new states.

        Returns:
            The gradients of ``zx`` and ``zh``, and those of the old states apart from their part
            through ``zh``.
        """


class Lstm:
    """i, f, g, o: c' = f∘c + i∘g, h' = o∘tanh c'."""

    separate = False

    def forward(self, zx: Tensor, zh: Tensor, states: list[Tensor]) -> list[Tensor]:
        """See ``Cell``; ``zx`` keeps the values of the gates."""
        width = states[0].shape[1]
        z = zx.add_(zh)
        z[:, : 2 * width].sigmoid_()
        z[:, 2 * width : 3 * width].tanh_()
        z[:, 3 * width :].sigmoid_()
        i, f, g, o = z.split(width, 1)
        c = (f * states[1]).addcmul_(i, g)
        return [o * c.tanh(), c]

    def backward(self, step: Step, d: list[Tensor]) -> tuple[Tensor, Tensor, list[Tensor]]:
        """See ``Cell``."""
        i, f, g, o = step.zx.split(step.old[0].shape[1], 1)
        dh, dc = d
        tanh = step.new[1].tanh()
        dc = dc + dh * o * (1 - tanh * tanh)
        dz = torch.empty_like(step.zx)
        di, df, dg, do = dz.split(dh.shape[1], 1)
        torch.mul(dc * g, i * (1 - i), out=di)
        torch.mul(dc * step.old[1], f * (1 - f), out=df)
        torch.mul(dc * i, 1 - g * g, out=dg)
        torch.mul(dh * tanh, o * (1 - o), out=do)
        return dz, dz, [torch.zeros_like(dh), dc * f]


class Gru:
    """r, z, n: n = tanh(x_n + r∘h_n), h' = (1 − z)∘n + z∘h."""

    separate = True

    def forward(self, zx: Tensor, zh: Tensor, states: list[Tensor]) -> list[Tensor]:
        """See ``Cell``; ``zx`` keeps the values of the gates, ``zh`` its last third."""
        (h,) = states
        width = h.shape[1]
        zx[:, : 2 * width].add_(zh[:, : 2 * width]).sigmoid_()
        r, z, n = zx.split(width, 1)
        n.addcmul_(r, zh[:, 2 * width :]).tanh_()
        return [n + z * (h - n)]

    def backward(self, step: Step, d: list[Tensor]) -> tuple[Tensor, Tensor, list[Tensor]]:
        """See ``Cell``."""
        (h,), (dh,) = step.old, d
        width = h.shape[1]
        r, z, n = step.zx.split(width, 1)
        dx = torch.empty_like(step.zx)
        dr, dz, dn = dx.split(width, 1)
        assert step.zh is not None
        torch.mul(dh * (1 - z), 1 - n * n, out=dn)
        torch.mul(dh * (h - n), z * (1 - z), out=dz)
        torch.mul(dn * step.zh[:, 2 * width :], r * (1 - r), out=dr)
        return dx, torch.cat([dr, dz, dn * r], 1), [dh * z]


class Rnn:
    """h' = φ(x + h), φ the hyperbolic tangent or the rectifier."""

    separate = False

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self._function = function

    def forward(self, zx: Tensor, zh: Tensor, states: list[Tensor]) -> list[Tensor]:
        """See ``Cell``."""
        del states
        return [self._function(zx + zh)]

    def backward(self, step: Step, d: list[Tensor]) -> tuple[Tensor, Tensor, list[Tensor]]:
        """See ``Cell``."""
        (h,), (dh,) = step.new, d
        dz = dh * (1 - h * h) if self._function is torch.tanh else dh * (h > 0)
        return dz, dz, [torch.zeros_like(dh)]


CELLS: dict[Callable[..., Any], Any] = {
    torch.lstm: Lstm(),
    torch.gru: Gru(),
    torch.rnn_tanh: Rnn(torch.tanh),
    torch.rnn_relu: Rnn(torch.relu),
}


class Unrolled(torch.autograd.Function):
    """A recurrent layer over time, from the contributions of its inputs to the gates."""

    @staticmethod
    def forward(
        ctx: Any,
        cell: Cell,
        zx: Tensor,
        zeros: Tensor,
        h: Tensor,
        c: Tensor | None,
        w_h: Tensor,
        b_h: Tensor | None,
    ) -> tuple[Tensor, ...]:
        """Run the layer forward through time.

        Args:
            ctx: Context of autograd.
            cell: One step.
            zx: What the inputs add to the gates, ``(time, sample, gate · width)``.
            zeros: In the same shape; stands for what the states add, and gets the gradient of that.
            h: The first hidden state ``(sample, width)``.
            c: The first memory ``(sample, width)``, if the cell has one.
            w_h: Weights from the state to the gates ``(gate · width, width)``.
            b_h: Their bias ``(gate · width)``.

        Returns:
            The output ``(time, sample, width)``, and the last states ``(sample, width)``.
        """
        del zeros
        zx = zx.clone(memory_format=torch.contiguous_format)  # the cell overwrites it
        states = [[h] if c is None else [h, c]]
        zhs = []
        transposed = w_h.t()
        for z in zx.unbind(0):
            h = states[-1][0]
            zh = h @ transposed if b_h is None else torch.addmm(b_h, h, transposed)
            states.append(cell.forward(z, zh, states[-1]))
            zhs.append(zh if cell.separate else None)
        ctx.kept = cell, zx, zhs, states
        ctx.save_for_backward(w_h)
        return torch.stack([s[0] for s in states[1:]]), *(s.clone() for s in states[-1])

    @staticmethod
    def backward(ctx: Any, d_out: Tensor, *last: Tensor) -> tuple[Tensor | None, ...]:
        """Run the layer backward through time, given the gradients of the results of ``forward``.

        Returns:
            The gradients of the arguments of ``forward``.
        """
        cell, zx, zhs, states = ctx.kept
        (w_h,) = ctx.saved_tensors
        d = list(last)
        dx = torch.empty_like(zx)
        dh = torch.empty_like(zx) if cell.separate else dx
        for t in reversed(range(len(zx))):
            d[0] = d[0] + d_out[t]
            dx[t], dh[t], d = cell.backward(Step(zx[t], zhs[t], states[t], states[t + 1]), d)
            d[0] = torch.addmm(d[0], dh[t], w_h)
        flat = dh.flatten(0, 1)
        needed = ctx.needs_input_grad
        before = [s[0] for s in states[:-1]]
        of_weight = flat.t() @ torch.stack(before).flatten(0, 1) if needed[5] else None
        of_bias = flat.sum(0) if needed[6] else None
        return None, dx, dh, d[0], d[1] if len(d) > 1 else None, of_weight, of_bias


class Engine(Protocol):
    """What a layer that is written out needs from the engine that calls it; see ``Intercept``."""

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
                CELLS[func],
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
