"""Forward and backward pass over time of recurrent cells side by side, each with its genotype.

The weights of all cells are in one tensor per node, so that a time step takes one batched product
per node, whatever the number of cells. Cells differ only in the source of a node, which is looked
up by index, and in its activation. The cells of a node are sorted by activation, so that each
activation is one call on a slice.

``backward`` is written out instead of using autograd: it keeps no graph of the time steps, and
leaves the contraction over time and batch to the caller, who needs sums (gradients) or rows (the
Fisher information). Elementwise operations and batched products treat each cell separately: the
result of a cell does not depend on the cells beside it. It is bit-identical if the matrices fill
whole cache lines (hidden units and batch size multiples of 16), to which products are aligned.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from wpl_lab.search.spaces.recurrent import ACTIVATIONS, Activation, RecurrentGenotype

LARGEST_NORM = 25.0
"""Norm to which hidden states are clipped, so that no cell diverges (as in ENAS)."""

_IN_PLACE: dict[Activation, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh_,
    "relu": torch.relu_,
    "sigmoid": torch.sigmoid_,
    "identity": lambda z: z,
}
_DERIVATIVE: dict[Activation, Callable[[Tensor], Tensor]] = {  # given the value
    "tanh": lambda f: 1 - f * f,
    "relu": lambda f: (f > 0).to(f),
    "sigmoid": lambda f: f * (1 - f),
    "identity": torch.ones_like,
}


class Trace(NamedTuple):
    """Results of ``forward`` that ``backward`` needs.

    Attributes:
        weights: For each node, ``(cell, 2 hidden, hidden)``, in the sorted order of the node's
            cells.
        sources: For each node, its input ``(time, cell, hidden, batch)``, sorted.
        activated: ``(time, node, cell, 2, hidden, batch)``: gate and candidate, sorted.
        means: Means of the loose ends before clipping, ``(time, cell, hidden, batch)``.
        states: Hidden states ``(time, cell, hidden, batch)``.
    """

    weights: list[Tensor]
    sources: list[Tensor]
    activated: Tensor
    means: Tensor
    states: Tensor


class Cells:
    """Cells with the same number of nodes, side by side.

    A node with source s computes g f(z) + (1 − g) s, with gate g, activation f and candidate f(z);
    z and the logit of g are linear in s. The source of node 0 is the previous hidden state, and
    the input is added to its products. The mean of the loose ends is the new hidden state.
    """

    def __init__(
        self, genotypes: Sequence[RecurrentGenotype], device: torch.device | str = "cpu"
    ) -> None:
        """Sort the cells of each node, and index the sources and loose ends.

        Args:
            genotypes: The cells, all with the same number of nodes.
            device: Where the tensors are.
        """
        self.count = len(genotypes)

        def places(of: Sequence[int]) -> Tensor:
            return torch.tensor(of, device=device)

        nodes = [[(0, "tanh"), *genotype.nodes] for genotype in genotypes]
        orders: list[list[int]] = []
        position: list[dict[int, int]] = []  # of each cell in the sorted order of a node
        self._sources: list[Tensor] = []
        self._groups: list[list[tuple[Activation, slice]]] = []
        for i, of_node in enumerate(zip(*nodes, strict=True)):
            order = sorted(range(self.count), key=lambda cell: ACTIVATIONS.index(of_node[cell][1]))
            self._groups.append(_runs([of_node[cell][1] for cell in order]))
            if i > 0:
                self._sources.append(
                    places(
                        [s * self.count + position[s][c] for c in order for s in [of_node[c][0]]]
                    )
                )
            orders.append(order)
            position.append({cell: at for at, cell in enumerate(order)})
        self._orders = [places(order) for order in orders]
        self._back = [places([of[cell] for cell in range(self.count)]) for of in position]

        ends = [genotype.loose_ends for genotype in genotypes]
        most = max(map(len, ends))
        padded = [[*of, *[of[0]] * (most - len(of))] for of in ends]
        self._ends = places(
            [
                of[k] * self.count + position[of[k]][c]
                for k in range(most)
                for c, of in enumerate(padded)
            ]
        )
        shares = [[(k < len(of)) / len(of) for of in ends] for k in range(most)]
        self._shares = torch.tensor(shares, dtype=torch.float64, device=device)[..., None, None]

    def forward(
        self,
        inputs: Tensor,
        state: Tensor,
        weights: Sequence[Tensor],
        paths: Tensor | None = None,
        *,
        keep: bool = True,
    ) -> Trace:
        """Run the cells over time.

        Args:
            inputs: What the input adds to the logit of the gate and to z in node 0,
                ``(time, cell, 2 hidden, batch)``.
            state: Hidden state ``(cell, hidden, batch)`` before the first step.
            weights: For nodes 0, 1, …, each ``(cell, 2 hidden, hidden)``: the rows of the gate,
                then those of the candidate.
            paths: For nodes 1, 2, …, ``(node, cell, 1, batch)``: 0 closes the gate of a node.
            keep: Whether ``backward`` will be called; if not, all time steps share the memory of
                one.

        Returns:
            The results; the hidden states are its ``states``.
        """
        time, nodes = len(inputs), len(weights)
        _, hidden, batch = state.shape
        orders = zip(weights, self._orders, strict=True)
        weights = [weight.index_select(0, order) for weight, order in orders]
        kept = time if keep else 1
        sources = state.new_empty(nodes, kept, self.count, hidden, batch)
        activated = state.new_empty(kept, nodes, self.count, 2, hidden, batch)
        means, states = (state.new_empty(length, *state.shape) for length in (kept, time))
        outputs = state.new_empty(nodes, *state.shape)
        flat = outputs.flatten(0, 1)  # (node and cell, hidden, batch)
        shut = None
        if paths is not None:
            shut = [p.index_select(0, o) for p, o in zip(paths, self._orders[1:], strict=True)]
        shares = self._shares.to(state.dtype)  # (end, cell, 1, 1)
        for t in range(time):
            at = t if keep else 0
            for i, weight in enumerate(weights):
                source, z = sources[i, at], activated[at, i]
                if i == 0:
                    source.copy_(state)
                    torch.baddbmm(inputs[t], weight, source, out=z.flatten(1, 2))
                else:
                    torch.index_select(flat, 0, self._sources[i - 1], out=source)
                    torch.bmm(weight, source, out=z.flatten(1, 2))
                gate, candidate = z.unbind(1)
                gate.sigmoid_()
                if shut is not None and i > 0:
                    gate.mul_(shut[i - 1])
                for activation, cells in self._groups[i]:
                    _IN_PLACE[activation](candidate[cells])
                torch.lerp(source, candidate, gate, out=outputs[i])
            ends = flat.index_select(0, self._ends).unflatten(0, (-1, self.count))
            torch.sum(ends.mul_(shares), 0, out=means[at])
            state = torch.mul(means[at], _factor(means[at]), out=states[t])
        return Trace(weights, list(sources.unbind(0)), activated, means, states)

    def backward(self, trace: Trace, grad: Tensor) -> list[Tensor]:
        """Back-propagate from the hidden states to the products.

        Args:
            trace: As returned by ``forward``.
            grad: Gradient of the hidden states ``(time, cell, hidden, batch)``.

        Returns:
            For each node, the gradient with respect to the logit of the gate and to z,
            ``(time, cell, 2 hidden, batch)``, in the order of ``trace.sources``.
        """
        time, nodes = trace.activated.shape[:2]
        gates, candidates = trace.activated.unbind(3)  # (time, node, cell, hidden, batch)
        shut = 1 - gates  # the share of the source in the output
        slopes = torch.empty_like(trace.activated)
        for i, source in enumerate(trace.sources):
            torch.sub(candidates[:, i], source, out=slopes[:, i, :, 0])
            for activation, cells in self._groups[i]:
                slopes[:, i, cells, 1] = _DERIVATIVE[activation](candidates[:, i, cells])
        slopes[:, :, :, 0].mul_(shut)
        slopes.mul_(gates.unsqueeze(3))
        transposed = [w.transpose(1, 2) for w in trace.weights]
        factors = _factor(trace.means)
        scaled = bool((factors < 1).any())
        shares = self._shares.to(grad.dtype)
        carried = torch.zeros_like(grad[0])
        flowing = torch.empty_like(shut[0])
        for t in range(time - 1, -1, -1):
            into = grad[t] + carried
            if scaled:
                into = _through_scaling(into, trace.means[t], factors[t])
            flat = flowing.zero_().flatten(0, 1)
            flat.index_add_(0, self._ends, (into * shares).flatten(0, 1))
            for i in range(nodes - 1, -1, -1):
                grad_z = slopes[t, i].mul_(flowing[i].unsqueeze(1)).flatten(1, 2)
                to_source = torch.baddbmm(shut[t, i].mul_(flowing[i]), transposed[i], grad_z)
                if i == 0:
                    carried = to_source
                else:
                    flat.index_add_(0, self._sources[i - 1], to_source)
        return [slopes[:, i].flatten(2, 3) for i in range(nodes)]

    def unsorted(self, node: int, tensor: Tensor) -> Tensor:
        """Undo the sorting of a node's cells.

        Args:
            node: Number of the node.
            tensor: ``(cell, ...)``, in the sorted order.

        Returns:
            ``(cell, ...)``, in the order of the cells.
        """
        return tensor.index_select(0, self._back[node])


def _runs(sorted_: Sequence[Activation]) -> list[tuple[Activation, slice]]:
    """Cut a sorted sequence into slices of equal activations."""
    starts = [i for i, a in enumerate(sorted_) if i == 0 or a != sorted_[i - 1]]
    ends = [*starts[1:], len(sorted_)]
    return [(sorted_[a], slice(a, b)) for a, b in zip(starts, ends, strict=True)]


def _factor(states: Tensor) -> Tensor:
    """Compute min(1, r/‖h‖), r the largest norm, of ``(..., hidden, batch)``."""
    norm = states.square().sum(-2, keepdim=True).sqrt_()
    return LARGEST_NORM / norm.clamp_(min=LARGEST_NORM)


def _through_scaling(grad: Tensor, long: Tensor, factor: Tensor) -> Tensor:
    """Back-propagate through h · min(1, r/‖h‖), all ``(cell, hidden, batch)``."""
    unit = long * (factor / LARGEST_NORM)  # of those that are scaled down
    across = grad - unit * (unit * grad).sum(1, keepdim=True)
    return torch.where(factor < 1, across * factor, grad)
