"""A pass through the cells of one architecture, with the weights that all share."""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from wpl_lab.search.spaces.convolutional import Branch, Cell, ConvolutionalGenotype

if TYPE_CHECKING:
    from wpl_lab.search.spaces.convolutional_model import ConvolutionalModel

Statistics = list[tuple[Tensor, Tensor]]
"""Mean and variance of the channels, ``(channel)`` each, for each normalisation of a child."""


class Norm:
    """Normalises one layer after the other: batch normalisation without affine parameters."""

    def __init__(self, statistics: Statistics | None, *, keep: bool = False) -> None:
        """Take the statistics given, or those of the batch, which are then ``kept`` if asked."""
        self._statistics, self._keep = statistics, keep
        self.kept: Statistics = []
        self._number = 0

    def __call__(self, x: Tensor) -> Tensor:
        """Normalise ``(batch, channel, height, width)``."""
        if self._statistics is not None:
            mean, variance = self._statistics[self._number]
            self._number += 1
            return F.batch_norm(x, mean, variance)
        if self._keep:
            variance, mean = torch.var_mean(x, (0, 2, 3), correction=0)
            self.kept.append((mean, variance))
        return F.batch_norm(x, None, None, training=True)


class Pass:
    """One pass through the cells of an architecture."""

    def __init__(
        self, model: "ConvolutionalModel", norm: Norm, generator: torch.Generator | None
    ) -> None:
        """Prepare for one pass; without a generator, nothing is dropped."""
        self._model, self._norm, self._generator = model, norm, generator

    def __call__(self, images: Tensor, genotype: ConvolutionalGenotype) -> Tensor:
        """Give the logits ``(batch, class)`` of images ``(batch, channel, height, width)``."""
        model = self._model
        x = self._norm(F.conv2d(images, model.stem, padding=1))
        states = [x, x]
        for number, reduces in enumerate(model.reduces):
            cell = genotype.reduction if reduces else genotype.normal
            states = [states[1], self._cell(number, cell, states, reduces=reduces)]
        features = F.relu(states[1]).mean((2, 3))
        if self._generator is not None and model.dropout:
            features = features * self._keep(features, model.dropout)
        return F.linear(features, model.classifier, model.bias)

    def _cell(self, number: int, cell: Cell, before: list[Tensor], *, reduces: bool) -> Tensor:
        height, width = (max(1, length // (1 + reduces)) for length in before[1].shape[2:])
        states = [
            self._squeezed(x, self._model.squeeze[f"{number}_{i}"], (height, width))
            for i, x in enumerate(before)
        ]
        for node, (first, second) in enumerate(cell, start=2):
            edge = f"{number}_{node}"
            states.append(self._branch(edge, first, states) + self._branch(edge, second, states))
        ends = ConvolutionalGenotype.loose_ends(cell)
        mixed = [F.conv2d(F.relu(states[i]), self._model.end[f"{number}_{i}"]) for i in ends]
        return self._norm(sum(mixed[1:], mixed[0]))

    def _squeezed(self, x: Tensor, weight: Tensor, size: tuple[int, int]) -> Tensor:
        if x.shape[2:] != size:
            x = F.adaptive_avg_pool2d(x, size)
        return self._norm(F.conv2d(F.relu(x), weight))

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
            x = self._separable(f"{edge}_{state}_{operation}", x)
        if self._generator is not None and self._model.drop_path:
            x = x * self._keep(x[:, :1, :1, :1], self._model.drop_path)
        return x

    def _separable(self, name: str, x: Tensor) -> Tensor:
        for i in range(self._model.repeats):
            depth = self._model.edge[f"{name}_{i}_depth"]
            x = F.conv2d(F.relu(x), depth, padding=depth.shape[-1] // 2, groups=len(depth))
            x = self._norm(F.conv2d(x, self._model.edge[f"{name}_{i}_point"]))
        return x

    def _keep(self, like: Tensor, probability: float) -> Tensor:
        """Draw factors 0 and 1/(1 − p), whose mean is 1."""
        kept = torch.empty_like(like).bernoulli_(1 - probability, generator=self._generator)
        return kept / (1 - probability)
