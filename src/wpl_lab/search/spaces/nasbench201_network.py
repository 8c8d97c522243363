"""The network of NAS-Bench-201 with shared weights for all architectures of the space.

It has stages of cells, separated by residual blocks that halve the resolution and double the number
of channels. Each edge of each cell has its own weights for each convolution.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from wpl_lab.search.protocol import Tensors
from wpl_lab.search.spaces.nasbench201 import (
    EDGES,
    INPUT,
    OUTPUT,
    Edge,
    Nasbench201Genotype,
    Nasbench201Space,
    Operation,
)
from wpl_lab.search.spaces.network import Weights
from wpl_lab.search.spaces.normalisation import Norm

KERNELS = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}
"""Kernel sizes of the convolutions."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The settings of a network, without the architecture of its cells.

    Attributes:
        width: Channels of the first stage (Dong and Yang, 2020: 16).
        stages: Number of stages (3).
        stacked: Cells per stage (5).
        dropout: Probability of dropping a feature before the classifier (0).
        drop_path: Probability of dropping the output of an operation, for a whole image; skip
            connections are never dropped.
    """

    width: int
    stages: int
    stacked: int
    dropout: float
    drop_path: float


class Nasbench201Network:
    """The network for all architectures of the space."""

    def __init__(self, layout: Layout, space: Nasbench201Space) -> None:
        """Store the layout and the space."""
        self.layout, self.space = layout, space

    def initial_weights(
        self, channels: int, classes: int, *, generator: torch.Generator
    ) -> Tensors:
        """Draw uniform weights: those of He et al. (2015), and ±1/√width for the classifier.

        Args:
            channels: Number of channels of the images.
            classes: Number of classes.
            generator: Source of the weights.

        Returns:
            By name: convolutions ``(out, in, height, width)``, ``classifier`` ``(class, channel)``
            and ``bias`` ``(class)``.
        """

        def convolution(out: int, into: int, kernel: int) -> Tensor:
            bound = (6 / (into * kernel**2)) ** 0.5
            weight = torch.empty(out, into, kernel, kernel)
            return weight.uniform_(-bound, bound, generator=generator)

        size = self.layout.width
        weights = {"stem": convolution(size, channels, 3)}
        for stage in range(self.layout.stages):
            if stage:
                weights[f"reduction.{stage}_a"] = convolution(2 * size, size, 3)
                weights[f"reduction.{stage}_b"] = convolution(2 * size, 2 * size, 3)
                weights[f"reduction.{stage}_skip"] = convolution(2 * size, size, 1)
                size *= 2
            for cell in range(self.layout.stacked):
                for edge in EDGES:
                    for operation in self.space.operations:
                        if operation in KERNELS:
                            name = _name(stage, cell, edge, operation)
                            weights[name] = convolution(size, size, KERNELS[operation])
        bound = size**-0.5
        classifier = torch.empty(classes, size).uniform_(-bound, bound, generator=generator)
        return weights | {"classifier": classifier, "bias": torch.zeros(classes)}

    def used(self, genotype: Nasbench201Genotype) -> list[str]:
        """List the weights that an architecture uses, which are on a path from image to class.

        If a cell has no path from input to output, only the classifier is used.

        Returns:
            The names, without duplicates.
        """
        last = ["classifier", "bias"]
        if not genotype.edges:
            return last
        names = ["stem"]
        for stage in range(self.layout.stages):
            if stage:
                names += [f"reduction.{stage}_{part}" for part in ("a", "b", "skip")]
            names += [
                _name(stage, cell, edge, genotype.on[edge])
                for cell in range(self.layout.stacked)
                for edge in genotype.edges
                if genotype.on[edge] in KERNELS
            ]
        return names + last

    def logits(
        self,
        weights: Weights,
        images: Tensor,
        genotype: Nasbench201Genotype,
        norm: Norm,
        randoms: Sequence[torch.Generator] | None = None,
    ) -> list[Tensor]:
        """Classify images, as in ``Network``."""
        runs = len(weights.biases)
        features = self._features(weights, images, genotype, norm, randoms)
        if randoms and self.layout.dropout:
            shape = (len(features), features.shape[1] // runs)
            features = features * _kept(randoms, shape, self.layout.dropout)
        return [
            F.linear(own, classifier, bias)
            for own, classifier, bias in zip(
                features.chunk(runs, 1), weights.classifiers, weights.biases, strict=True
            )
        ]

    def _features(
        self,
        weights: Weights,
        images: Tensor,
        genotype: Nasbench201Genotype,
        norm: Norm,
        randoms: Sequence[torch.Generator] | None,
    ) -> Tensor:
        """Compute the input of the classifier, ``(batch, run · channel)``."""
        if not genotype.edges:
            channels = sum(classifier.shape[1] for classifier in weights.classifiers)
            return images.new_zeros(len(images), channels)
        of = weights.convolutions
        groups = len(weights.biases)
        x = norm(F.conv2d(images, of["stem"], padding=1, groups=groups))
        for stage in range(self.layout.stages):
            if stage:
                x = _reduction(weights, stage, x, norm)
            for cell in range(self.layout.stacked):
                x = self._cell(weights, (stage, cell), x, genotype, norm, randoms)
        return F.relu(norm(x)).mean((2, 3))

    def _cell(
        self,
        weights: Weights,
        place: tuple[int, int],
        x: Tensor,
        genotype: Nasbench201Genotype,
        norm: Norm,
        randoms: Sequence[torch.Generator] | None,
    ) -> Tensor:
        groups = len(weights.biases)
        nodes, rectified = {INPUT: x}, dict[int, Tensor]()
        for edge in genotype.edges:
            source, node = edge
            operation = genotype.on[edge]
            if operation == "skip_connect":
                y = nodes[source]
            elif operation == "avg_pool_3x3":
                y = F.avg_pool2d(nodes[source], 3, stride=1, padding=1, count_include_pad=False)
            else:
                if source not in rectified:
                    rectified[source] = F.relu(nodes[source])
                weight = weights.convolutions[_name(*place, edge, operation)]
                padding = KERNELS[operation] // 2
                y = norm(F.conv2d(rectified[source], weight, padding=padding, groups=groups))
            if randoms and self.layout.drop_path and operation != "skip_connect":
                kept = _kept(randoms, (len(y), 1), self.layout.drop_path)
                y = y * kept.repeat_interleave(y.shape[1] // groups, 1)[:, :, None, None]
            nodes[node] = nodes[node] + y if node in nodes else y
        return nodes[OUTPUT]


def _reduction(weights: Weights, stage: int, x: Tensor, norm: Norm) -> Tensor:
    """Halve the resolution and double the channels by a residual block (He et al., 2016)."""
    of, groups = weights.convolutions, len(weights.biases)
    name = f"reduction.{stage}"
    y = norm(F.conv2d(F.relu(x), of[f"{name}_a"], stride=2, padding=1, groups=groups))
    y = norm(F.conv2d(F.relu(y), of[f"{name}_b"], padding=1, groups=groups))
    smaller = F.avg_pool2d(x, 2, ceil_mode=True)
    return y + F.conv2d(smaller, of[f"{name}_skip"], groups=groups)


def _name(stage: int, cell: int, edge: Edge, operation: Operation) -> str:
    source, node = edge
    return f"edge.{stage}_{cell}_{source}_{node}_{operation}"


def _kept(randoms: Sequence[torch.Generator], shape: tuple[int, int], probability: float) -> Tensor:
    """Draw factors 0 and 1/(1 − p), whose mean is 1, of this shape for each run."""
    kept = [
        torch.empty(shape, device=random.device).bernoulli_(1 - probability, generator=random)
        for random in randoms
    ]
    return torch.cat(kept, 1) / (1 - probability)
