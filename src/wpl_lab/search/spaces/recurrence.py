"""A recurrent cell run over time: as autograd sees it, and fast.

``unrolled`` says what a cell computes. ``fused`` computes the same with a backward pass of its own:
no graph of the time steps is kept, and what can be computed for all of them at once is, the
gradients of the weights above all, each a single product.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from wpl_lab.search.spaces.recurrent import Activation, RecurrentGenotype

LARGEST_NORM = 25.0
"""Longest hidden state: longer ones are shortened to it, so that no cell explodes (ENAS)."""


class _Function(NamedTuple):
    of: Callable[[Tensor], Tensor]
    in_place: Callable[[Tensor], Tensor]
    derivative: Callable[[Tensor], Tensor]  # given the value


_FUNCTIONS: dict[Activation, _Function] = {
    "tanh": _Function(torch.tanh, torch.tanh_, lambda f: 1 - f * f),
    "relu": _Function(torch.relu, torch.relu_, lambda f: (f > 0).to(f)),
    "sigmoid": _Function(torch.sigmoid, torch.sigmoid_, lambda f: f * (1 - f)),
    "identity": _Function(lambda z: z, lambda z: z, torch.ones_like),
}


def unrolled(
    inputs: Tensor,
    state: Tensor,
    genotype: RecurrentGenotype,
    weights: Sequence[Tensor],
    paths: Tensor | None = None,
) -> Tensor:
    """Run a cell over time, one operation after the other.

    Each node moves from its source s towards the candidate f(z), as far as its gate g opens:
    g f(z) + (1 − g) s, with logit of g and z linear in s. The source of node 0 is the previous
    hidden state, and the input adds to its products. The mean of the loose ends is the new state.

    Args:
        inputs: ``(time, batch, 2 hidden)``, what the input adds in node 0, to gate and candidate.
        state: Hidden state ``(batch, hidden)`` before the first step.
        genotype: The cell.
        weights: Of nodes 0, 1, …, each ``(2 hidden, hidden)``: the gate's rows, the candidate's.
        paths: For nodes 1, 2, …, ``(node, batch, 1)``: 0 keeps a node's gate shut, 1 does nothing.

    Returns:
        Hidden states ``(time, batch, hidden)``.
    """
    h, states = state, []
    for x in inputs.unbind(0):
        nodes: list[Tensor] = []
        for i, (source, activation) in enumerate(_nodes(genotype)):
            s = h if i == 0 else nodes[source]
            z = F.linear(s, weights[i])
            gate, candidate = (z + x if i == 0 else z).chunk(2, dim=1)
            gate = gate.sigmoid()
            if paths is not None and i > 0:
                gate = gate * paths[i - 1]
            nodes.append(torch.lerp(s, _FUNCTIONS[activation].of(candidate), gate))
        h = _mean([nodes[i] for i in genotype.loose_ends])
        norm = torch.linalg.vector_norm(h, dim=1, keepdim=True)
        h = h * (LARGEST_NORM / norm.clamp(min=LARGEST_NORM))
        states.append(h)
    return torch.stack(states)


def fused(
    inputs: Tensor,
    state: Tensor,
    genotype: RecurrentGenotype,
    weights: Sequence[Tensor],
    paths: Tensor | None = None,
) -> Tensor:
    """Compute what ``unrolled`` does, from the same arguments."""
    states: Tensor = _Fused.apply(inputs, state, genotype, paths, *weights)
    return states


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        state: Tensor,
        genotype: RecurrentGenotype,
        paths: Tensor | None,
        *weights: Tensor,
    ) -> Tensor:
        nodes, ends = _nodes(genotype), genotype.loose_ends
        time, batch, hidden = len(inputs), *state.shape
        states = state.new_empty(time + 1, batch, hidden)
        states[0] = state
        means = state.new_empty(time, batch, hidden)  # of the loose ends, before they are shortened
        outputs = state.new_empty(len(nodes), time, batch, hidden)
        activated = state.new_empty(len(nodes), time, batch, 2 * hidden)  # gate and candidate
        at = [
            [v.unbind(0) for v in (z, z[..., :hidden], z[..., hidden:], y)]
            for z, y in zip(activated, outputs, strict=True)
        ]
        transposed = [w.t() for w in weights]
        for t, (x, h, mean) in enumerate(zip(inputs, states, means, strict=False)):
            for i, (source, activation) in enumerate(nodes):
                z, gate, candidate, output = (v[t] for v in at[i])
                s = h if i == 0 else at[source][3][t]
                if i == 0:
                    torch.addmm(x, s, transposed[0], out=z)
                else:
                    torch.mm(s, transposed[i], out=z)
                gate.sigmoid_()
                if paths is not None and i > 0:
                    gate.mul_(paths[i - 1])
                _FUNCTIONS[activation].in_place(candidate)
                torch.lerp(s, candidate, gate, out=output)
            mean.copy_(_mean([at[i][3][t] for i in ends]))
            torch.renorm(mean, p=2, dim=0, maxnorm=LARGEST_NORM, out=states[t + 1])
        ctx.save_for_backward(*weights)
        ctx.genotype, ctx.kept = genotype, (states, means, outputs, activated)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        states, means, outputs, activated = ctx.kept
        weights, ends = ctx.saved_tensors, ctx.genotype.loose_ends
        hidden = states.shape[2]
        sources, slopes, shut = [], [], []
        for i, (source, activation) in enumerate(_nodes(ctx.genotype)):
            s = states[:-1] if i == 0 else outputs[source]
            gate, f = activated[i].split(hidden, dim=2)
            gate_slope = (f - s) * gate * (1 - gate)  # of the output, along the logit of the gate
            slope = gate * _FUNCTIONS[activation].derivative(f)  # and along z
            sources.append(s)
            slopes.append(torch.stack([gate_slope, slope], 2))  # (time, batch, 2, hidden)
            shut.append(1 - gate)
        grad_z = torch.empty_like(activated).unflatten(3, (2, hidden))
        clipped = bool((means != states[1:]).any())
        carried = torch.zeros_like(states[0])
        for t in range(len(means) - 1, -1, -1):
            grad_h = grad[t] + carried
            if clipped:
                grad_h = _through_shortening(grad_h, means[t])
            flowing: list[Tensor | None] = [None] * len(sources)
            for i in ends:
                flowing[i] = grad_h / len(ends)
            for i in range(len(sources) - 1, -1, -1):
                grad_y = flowing[i]
                assert grad_y is not None  # each node is a loose end or some node's source
                torch.mul(grad_y.unsqueeze(1), slopes[i][t], out=grad_z[i, t])
                to_source = torch.addmm(grad_y * shut[i][t], grad_z[i, t].flatten(1), weights[i])
                if i == 0:
                    carried = to_source
                else:
                    source = _nodes(ctx.genotype)[i][0]
                    before = flowing[source]
                    flowing[source] = to_source if before is None else before + to_source
        flat = grad_z.flatten(3)  # (node, time, batch, 2 hidden)
        grad_weights = [
            g.flatten(0, 1).t() @ s.flatten(0, 1) if needed else None
            for g, s, needed in zip(flat, sources, ctx.needs_input_grad[4:], strict=True)
        ]
        return flat[0], carried, None, None, *grad_weights


def _nodes(genotype: RecurrentGenotype) -> list[tuple[int, Activation]]:
    """Source and activation of each node; that of node 0 is the previous hidden state."""
    return [(0, "tanh"), *genotype.nodes]


def _mean(tensors: Sequence[Tensor]) -> Tensor:
    return tensors[0] if len(tensors) == 1 else torch.stack(list(tensors)).mean(0)


def _through_shortening(grad: Tensor, long: Tensor) -> Tensor:
    """Back-propagate through h · min(1, r/‖h‖), r the largest norm; rows ``(batch, hidden)``."""
    norm = torch.linalg.vector_norm(long, dim=1, keepdim=True)
    unit = long / norm.clamp(min=LARGEST_NORM)
    across = grad - unit * (unit * grad).sum(1, keepdim=True)
    return torch.where(norm > LARGEST_NORM, across * (LARGEST_NORM / norm), grad)
