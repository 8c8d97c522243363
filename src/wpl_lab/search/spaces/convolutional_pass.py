"""A forward pass of one architecture, with the weights of several runs side by side.

The channels of all runs lie side by side in one tensor, ``(batch, run · channel, height, width)``:
convolutions have a group per run; all other operations act on each channel separately.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from wpl_lab.search.spaces.convolutional import Branch, Cell, ConvolutionalGenotype
from wpl_lab.search.spaces.network import Weights
from wpl_lab.search.spaces.normalisation import Norm


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The layout of a network, without the architectures of its cells.

    Attributes:
        reduces: For each cell, from first to last, whether it halves the image.
        repeats: How many times a separable convolution is applied in sequence (ENAS: 2).
        dropout: Probability of dropping a feature before the classifier.
        drop_path: Probability of dropping the result of an operation, for a whole image; identities
            are never dropped.
    """

    reduces: tuple[bool, ...]
    repeats: int
    dropout: float
    drop_path: float


class Pass:
    """One forward pass through the cells of an architecture."""

    def __init__(
        self,
        layout: Layout,
        weights: Weights,
        norm: Norm,
        randoms: Sequence[torch.Generator] | None = None,
    ) -> None:
        """Prepare a pass.

        Args:
            layout: The layout of the network.
            weights: Convolutions ``(run · out, in, height, width)`` and classifiers.
            norm: Normalises the layers in turn.
            randoms: For each run, the source of dropout; None to drop nothing.
        """
        self._layout, self._weights, self._norm = layout, weights, norm
        self._randoms = randoms
        self._runs = len(weights.biases)

    def __call__(self, images: Tensor, genotype: ConvolutionalGenotype) -> list[Tensor]:
        """Compute logits.

        Args:
            images: ``(batch, run · channel, height, width)``.
            genotype: The architecture.

        Returns:
            For each run, logits ``(batch, class)``.
        """
        x = self._norm(self._convolved(images, "stem", padding=1))
        states = [x, x]
        for number, reduces in enumerate(self._layout.reduces):
            cell = genotype.reduction if reduces else genotype.normal
            states = [states[1], self._cell(number, cell, states, reduces=reduces)]
        features = F.relu(states[1]).mean((2, 3))
        if self._randoms and self._layout.dropout:
            shape = (len(features), features.shape[1] // self._runs)
            features = features * self._kept(shape, self._layout.dropout)
        return [
            F.linear(own, classifier, bias)
            for own, classifier, bias in zip(
                features.chunk(self._runs, 1),
                self._weights.classifiers,
                self._weights.biases,
                strict=True,
            )
        ]

    def _cell(self, number: int, cell: Cell, before: list[Tensor], *, reduces: bool) -> Tensor:
        height, width = (max(1, length // (1 + reduces)) for length in before[1].shape[2:])
        states = [
            self._squeezed(x, f"squeeze.{number}_{i}", (height, width))
            for i, x in enumerate(before)
        ]
        for node, (first, second) in enumerate(cell, start=2):
            edge = f"{number}_{node}"
            states.append(self._branch(edge, first, states) + self._branch(edge, second, states))
        ends = ConvolutionalGenotype.loose_ends(cell)
        mixed = [self._convolved(F.relu(states[i]), f"end.{number}_{i}") for i in ends]
        return self._norm(sum(mixed[1:], mixed[0]))

    def _squeezed(self, x: Tensor, name: str, size: tuple[int, int]) -> Tensor:
        if x.shape[2:] != size:
            x = F.adaptive_avg_pool2d(x, size)
        return self._norm(self._convolved(F.relu(x), name))

    def _branch(self, edge: str, branch: Branch, states: list[Tensor]) -> Tensor:
        state, operation = branch
        x = states[state]
        if operation == "identity":
            return x
        if operation == "avg3":
            x = F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
        elif operation == "max3":
            x = F.max_pool2d(x, 3, stride=1, padding=1)
        else:
            x = self._separable(f"edge.{edge}_{state}_{operation}", x)
        if self._randoms and self._layout.drop_path:
            kept = self._kept((len(x), 1), self._layout.drop_path)
            channels = x.shape[1] // self._runs
            x = x * kept.repeat_interleave(channels, 1)[:, :, None, None]
        return x

    def _separable(self, name: str, x: Tensor) -> Tensor:
        for i in range(self._layout.repeats):
            depth = self._weights.convolutions[f"{name}_{i}_depth"]
            x = F.conv2d(F.relu(x), depth, padding=depth.shape[-1] // 2, groups=len(depth))
            x = self._norm(self._convolved(x, f"{name}_{i}_point"))
        return x

    def _convolved(self, x: Tensor, name: str, padding: int = 0) -> Tensor:
        weight = self._weights.convolutions[name]
        return F.conv2d(x, weight, padding=padding, groups=self._runs)

    def _kept(self, shape: tuple[int, int], probability: float) -> Tensor:
        """Draw dropout factors 0 and 1/(1 − p), of this shape for each run."""
        assert self._randoms is not None
        kept = [
            torch.empty(shape, device=random.device).bernoulli_(1 - probability, generator=random)
            for random in self._randoms
        ]
        return torch.cat(kept, 1) / (1 - probability)
