"""Language models with recurrent cells, side by side: predictions, gradients, Fisher information.

Shapes: a ``run`` is one search, with its own weights; a ``child`` is one of the cells side by side,
with the weights of its run. A run may have several children.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from wpl_lab.search.protocol import Tensors
from wpl_lab.search.spaces.dropping import Dropped
from wpl_lab.search.spaces.recurrence import Cells, Trace
from wpl_lab.search.spaces.recurrent import RecurrentGenotype

_SLICE = 512
"""Number of positions whose logits are computed at once where only their sum is needed."""


def initial_weights(words: int, *, nodes: int, hidden: int, generator: torch.Generator) -> Tensors:
    """Draw the weights that all cells of a number of nodes share, uniform in ±0.1, as in ENAS.

    An edge between two nodes has one matrix, whatever the activation. A matrix holds the rows of
    the gate, then those of the candidate. The embedding and the decoder are tied.

    Args:
        words: Size of the vocabulary.
        nodes: Nodes of a cell after node 0.
        hidden: Units of the hidden state, and of the embedding.
        generator: Source of the weights.

    Returns:
        By name: ``embedding`` ``(word, hidden)``, ``bias`` ``(word)``, and ``input``, ``recurrent``
        and each edge, all ``(2 hidden, hidden)``.
    """

    def weights(*shape: int) -> Tensor:
        return torch.empty(shape).uniform_(-0.1, 0.1, generator=generator)

    edges = [_edge(source, node) for node in range(1, nodes + 1) for source in range(node)]
    made = {"embedding": weights(words, hidden), "bias": torch.zeros(words)}
    return made | {name: weights(2 * hidden, hidden) for name in ("input", "recurrent", *edges)}


def used_weights(genotype: RecurrentGenotype) -> list[str]:
    """List the names of the weights that a cell uses, each once."""
    return ["embedding", "bias", "input", "recurrent", *_edges(genotype)]


@dataclass(frozen=True)
class Read:
    """Results of ``RecurrentModels.read``.

    Attributes:
        tokens: ``(time, child, batch)``.
        embedded: Inputs ``(time, child, batch, hidden)``, after dropout.
        trace: Trace of the cells.
        outputs: Hidden states after dropout, ``(child, time · batch, hidden)``.
        dropped: What was dropped, in training.
    """

    tokens: Tensor
    embedded: Tensor
    trace: Trace
    outputs: Tensor
    dropped: Dropped | None


class RecurrentModels:
    """Models side by side, which look up the weights of their runs at each call."""

    def __init__(
        self, weights: Mapping[str, Tensor], children: Sequence[tuple[int, RecurrentGenotype]]
    ) -> None:
        """Prepare the cells.

        Args:
            weights: By name, ``(run, ...)``.
            children: The run and the cell of each.
        """
        self.weights, self.runs = weights, [run for run, _ in children]
        self._edges = [_edges(cell) for _, cell in children]
        device = weights["embedding"].device
        self._cells = Cells([cell for _, cell in children], device)
        self._of_run = torch.tensor(self.runs, device=device)
        self._one_each = self.runs == list(range(len(weights["embedding"])))

    def read(
        self,
        tokens: Tensor,
        state: Tensor | None = None,
        dropped: Dropped | None = None,
        *,
        keep: bool = True,
    ) -> Read:
        """Run the models over a text.

        Args:
            tokens: ``(child, batch, time)``.
            state: Hidden state ``(child, hidden, batch)`` before the first token; zero by default.
            dropped: What is dropped, in training.
            keep: Whether gradients will be asked for.

        Returns:
            The results that later calls need.
        """
        tokens = tokens.permute(2, 0, 1)  # (time, child, batch)
        table = self.weights["embedding"]
        rows = tokens + self._of_run[:, None] * table.shape[1]
        embedded = table.flatten(0, 1).index_select(0, rows.flatten()).unflatten(0, tokens.shape)
        recurrent, *edges = self._matrices()
        if dropped:
            embedded, recurrent = embedded * dropped.embedded, recurrent * dropped.recurrent
        if state is None:
            state = embedded.new_zeros(len(self.runs), table.shape[2], tokens.shape[2])
        inputs = self._input() @ embedded.transpose(2, 3)  # (time, child, 2 hidden, batch)
        paths = dropped.paths if dropped else None
        trace = self._cells.forward(inputs, state, [recurrent, *edges], paths, keep=keep)
        outputs = trace.states.permute(1, 0, 3, 2)  # (child, time, batch, hidden)
        if dropped:
            outputs = outputs * dropped.output[:, None]
        return Read(tokens, embedded, trace, outputs.flatten(1, 2), dropped)

    def logits(self, read: Read, child: int) -> Tensor:
        """Compute the logits of the next words.

        Args:
            read: As returned by ``read``.
            child: Number of the model.

        Returns:
            Logits ``(time · batch, word)``.
        """
        run = self.runs[child]
        bias, table = self.weights["bias"][run], self.weights["embedding"][run]
        return torch.addmm(bias, read.outputs[child], table.t())

    def cross_entropy(self, read: Read, child: int, labels: Tensor) -> Tensor:
        """Sum the cross-entropy of one model.

        Args:
            read: As returned by ``read``.
            child: Number of the model.
            labels: ``(time · batch)``.

        Returns:
            The sum in nats, a scalar.
        """
        run = self.runs[child]
        bias, table = self.weights["bias"][run], self.weights["embedding"][run]
        total = torch.zeros((), dtype=torch.float64, device=table.device)
        # Slice by slice, so that the logits stay in the cache.
        for outputs, own in zip(
            read.outputs[child].split(_SLICE), labels.split(_SLICE), strict=True
        ):
            logits = torch.addmm(bias, outputs, table.t())
            total += F.cross_entropy(logits, own, reduction="sum")
        return total

    def of_children(self, of_runs: Tensor) -> Tensor:
        """Look up the values of each child's run.

        Args:
            of_runs: ``(run, ...)``.

        Returns:
            ``(child, ...)``.
        """
        return of_runs if self._one_each else of_runs.index_select(0, self._of_run)

    def gradients(self, read: Read, error_of: Callable[[int], Tensor]) -> Tensors:
        """Back-propagate from the logits.

        Args:
            read: As returned by ``read``.
            error_of: Computes the gradient of the logits ``(time · batch, word)`` of a child. It is
                called once per child, so that one gradient is in memory at a time.

        Returns:
            By name, the gradient ``(run, ...)``, summed over the children of a run.
        """
        table = self.weights["embedding"]
        embedding = table.new_empty(len(self.runs), *table.shape[1:])
        bias, back = embedding[:, :, 0].clone(), torch.empty_like(read.outputs)
        for child, run in enumerate(self.runs):
            error = error_of(child)
            torch.mm(error, table[run], out=back[child])
            torch.mm(error.t(), read.outputs[child], out=embedding[child])
            torch.sum(error, 0, out=bias[child])
        products, into = self._through_cells(read, back)
        of_child = torch.arange(len(self.runs), device=table.device)[:, None] * table.shape[1]
        rows = (read.tokens + of_child).flatten()
        embedding.flatten(0, 1).index_add_(0, rows, into.flatten(0, 2))
        matrices = [_summed(grad, source) for grad, source in products]
        if read.dropped:
            matrices[1] = matrices[1] * read.dropped.recurrent
        return self._by_name(embedding, bias, matrices)

    def squares(self, read: Read, errors: Sequence[Tensor]) -> Tensors:
        """Sum the squared gradients over the rows of the batch.

        Args:
            read: As returned by ``read``, without dropout.
            errors: For each child, the gradient of the logits ``(batch, time, word)``.

        Returns:
            By name, Σ_n g_n² ``(run, ...)``, with n over the rows of the batch, and g_n summed over
            time.
        """
        table = self.weights["embedding"]
        batch, words = errors[0].shape[0], table.shape[1]
        back = torch.stack(
            [
                e.transpose(0, 1).flatten(0, 1) @ table[r]
                for e, r in zip(errors, self.runs, strict=True)
            ]
        )
        products, into = self._through_cells(read, back)
        embedding, bias = [], []
        first = torch.arange(batch, device=table.device) * words  # of a row's words
        for child, error in enumerate(errors):
            output = read.outputs[child].unflatten(0, (-1, batch)).transpose(0, 1)
            scores = torch.bmm(error.transpose(1, 2), output)  # (batch, word, hidden)
            rows = (read.tokens[:, child] + first).flatten()
            scores.flatten(0, 1).index_add_(0, rows, into[:, child].flatten(0, 1))
            embedding.append(scores.square_().sum(0))
            bias.append(error.sum(1).square_().sum(0))
        matrices = [_squared(grad, source) for grad, source in products]
        return self._by_name(torch.stack(embedding), torch.stack(bias), matrices)

    def _through_cells(
        self, read: Read, back: Tensor
    ) -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
        """Back-propagate through the cells.

        Args:
            read: As returned by ``read``.
            back: Gradient of the outputs ``(child, time · batch, hidden)``.

        Returns:
            For the products with ``input`` and with the matrix of each node, their gradient
            ``(time, child, 2 hidden, batch)`` and the other factor ``(time, child, hidden,
            batch)``; and the gradient of the embedded tokens ``(time, child, batch, hidden)``.
        """
        grad = back.unflatten(1, (len(read.tokens), -1))  # (child, time, batch, hidden)
        if read.dropped:
            grad = grad * read.dropped.output[:, None]
        grads = self._cells.backward(read.trace, grad.permute(1, 0, 3, 2))
        into = (self._input().transpose(1, 2) @ grads[0]).transpose(2, 3)
        if read.dropped:
            into = into * read.dropped.embedded
        products = [(grads[0], read.embedded.transpose(2, 3))]
        return [*products, *zip(grads, read.trace.sources, strict=True)], into

    def _by_name(self, embedding: Tensor, bias: Tensor, matrices: list[Tensor]) -> Tensors:
        """Sum the gradients of the children of each run.

        Args:
            embedding: ``(child, word, hidden)``.
            bias: ``(child, word)``.
            matrices: For ``input`` and each node, ``(child, 2 hidden, hidden)``; those of a node
                are in the sorted order of its cells.

        Returns:
            By name, ``(run, ...)``.
        """
        first, recurrent, *nodes = matrices
        named = {"embedding": embedding, "bias": bias, "input": first, "recurrent": recurrent}
        if not self._one_each:
            named = {
                name: torch.zeros_like(self.weights[name]).index_add_(0, self._of_run, of_child)
                for name, of_child in named.items()
            }
        for node, sorted_ in enumerate(nodes, start=1):
            of_cells = self._cells.unsorted(node, sorted_).unbind()
            for run, edges, of_cell in zip(self.runs, self._edges, of_cells, strict=True):
                name = edges[node - 1]
                if name not in named:
                    named[name] = torch.zeros_like(self.weights[name])
                named[name][run] += of_cell
        return named

    def _input(self) -> Tensor:
        return self.of_children(self.weights["input"])

    def _matrices(self) -> list[Tensor]:
        """Look up the matrices of nodes 0, 1, …, each ``(child, 2 hidden, hidden)``."""
        edges = zip(*self._edges, strict=True)
        return [
            self.of_children(self.weights["recurrent"]),
            *(
                torch.stack(
                    [self.weights[name][run] for name, run in zip(of, self.runs, strict=True)]
                )
                for of in edges
            ),
        ]


def _summed(grad: Tensor, source: Tensor) -> Tensor:
    """Compute Σ_tb grad sourceᵀ ``(child, out, in)`` of ``(time, child, out or in, batch)``."""
    each = torch.bmm(grad.flatten(0, 1), source.flatten(0, 1).transpose(1, 2))
    summed: Tensor = each.unflatten(0, grad.shape[:2]).sum(0)
    return summed


def _squared(grad: Tensor, source: Tensor) -> Tensor:
    """Compute Σ_b (Σ_t grad sourceᵀ)² ``(child, out, in)`` from tensors as in ``_summed``."""
    scores: Tensor = grad.permute(1, 3, 2, 0) @ source.permute(1, 3, 0, 2)
    return scores.square_().sum(1)  # of (child, batch, out, in)


def _edge(source: int, node: int) -> str:
    return f"edge.{source}_{node}"


def _edges(genotype: RecurrentGenotype) -> list[str]:
    return [_edge(source, node) for node, (source, _) in enumerate(genotype.nodes, start=1)]
