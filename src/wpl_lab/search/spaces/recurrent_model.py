"""A language model whose recurrent cell is any of a space, all sharing one set of weights."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wpl_lab.search.spaces.recurrence import fused, unrolled
from wpl_lab.search.spaces.recurrent import RecurrentGenotype


class RecurrentModel(nn.Module):
    """Shared weights of all cells: an edge from node to node has one matrix, whatever its use.

    The embedding is tied to the decoder. A matrix holds the gate's rows, then the candidate's: one
    product for both. Initial weights are uniform in ±0.1, as in ENAS.
    """

    def __init__(
        self,
        words: int,
        *,
        nodes: int,
        hidden: int,
        dropout: float = 0.0,
        weight_drop: float = 0.0,
        drop_path: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> None:
        """Draw initial weights.

        Args:
            words: Size of the vocabulary.
            nodes: Nodes of a cell after node 0.
            hidden: Units of the hidden state, and of the embedding.
            dropout: Probability of dropping a unit of the embedded input and of the output, the
                same units at all times of a sequence ("locked", Gal and Ghahramani 2016).
            weight_drop: Probability of dropping a recurrent weight (Merity et al. 2018).
            drop_path: Probability that a node passes its predecessor on, for a whole sequence.
            generator: Source of the initial weights.
        """
        super().__init__()

        def weights(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(shape).uniform_(-0.1, 0.1, generator=generator))

        self.embedding = weights(words, hidden)
        self.bias = nn.Parameter(torch.zeros(words))
        self.input = weights(2 * hidden, hidden)
        self.recurrent = weights(2 * hidden, hidden)
        self.edge = nn.ParameterDict(
            {
                _edge(predecessor, node): weights(2 * hidden, hidden)
                for node in range(1, nodes + 1)
                for predecessor in range(node)
            }
        )
        self.dropout, self.weight_drop, self.drop_path = dropout, weight_drop, drop_path

    def used(self, genotype: RecurrentGenotype) -> list[str]:
        """Name the parameters that a cell uses, each once."""
        edges = (f"edge.{name}" for name in _edges(genotype))
        return ["embedding", "bias", "input", "recurrent", *edges]

    def forward(
        self,
        tokens: Tensor,
        genotype: RecurrentGenotype,
        state: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Predict each next word.

        Args:
            tokens: ``(batch, time)``.
            genotype: The cell.
            state: Hidden state ``(batch, hidden)`` before the first token; zero by default.
            generator: Source of what is dropped, in training; on the device of the weights.

        Returns:
            Logits ``(batch, time, word)``, and the hidden state after the last token.
        """
        drop = _Drop(generator) if self.training else None
        x = F.embedding(tokens, self.embedding)  # (batch, time, hidden)
        weights = [self.recurrent, *(self.edge[name] for name in _edges(genotype))]
        paths = None
        if drop:
            x = x * drop(x[:, :1], self.dropout)
            weights[0] = weights[0] * drop(weights[0], self.weight_drop)
            if self.drop_path:
                paths = drop.mask(x.new_empty(len(genotype.nodes), len(x), 1), self.drop_path)
        if state is None:
            state = x.new_zeros(len(x), x.shape[2])
        # In eval mode with gradients somebody estimates the Fisher information, which looks at
        # single operations.
        run = fused if self.training or not torch.is_grad_enabled() else unrolled
        inputs = F.linear(x, self.input).transpose(0, 1)  # (time, batch, 2 hidden)
        states = run(inputs, state, genotype, weights, paths).transpose(0, 1)
        output = states * drop(states[:, :1], self.dropout) if drop else states
        return F.linear(output, self.embedding, self.bias), states[:, -1]


def _edge(predecessor: int, node: int) -> str:
    return f"{predecessor}_{node}"


def _edges(genotype: RecurrentGenotype) -> list[str]:
    return [_edge(predecessor, i) for i, (predecessor, _) in enumerate(genotype.nodes, start=1)]


class _Drop:
    """Draws what is kept in training."""

    def __init__(self, generator: torch.Generator | None) -> None:
        self._generator = generator

    def mask(self, like: Tensor, probability: float) -> Tensor:
        """Draw 0 with a probability, else 1."""
        return torch.empty_like(like).bernoulli_(1 - probability, generator=self._generator)

    def __call__(self, like: Tensor, probability: float) -> Tensor | float:
        """Draw factors 0 and 1/(1 − p), whose mean is 1."""
        return self.mask(like, probability) / (1 - probability) if probability else 1.0
