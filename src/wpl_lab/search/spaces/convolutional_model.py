"""Image classifiers with the cells of a space, which share one set of weights."""

from collections.abc import Sequence

import torch
from torch import Tensor

from wpl_lab.search.protocol import Tensors
from wpl_lab.search.spaces.convolutional import (
    OPERATIONS,
    ConvolutionalGenotype,
    ConvolutionalSpace,
    Operation,
)
from wpl_lab.search.spaces.convolutional_pass import Layout, Pass
from wpl_lab.search.spaces.network import Weights
from wpl_lab.search.spaces.normalisation import Norm

KERNELS = {"sep3": 3, "sep5": 5}
"""Kernel sizes of the separable convolutions."""
_CLASSIFIER = ("classifier", "bias")


def layout(*, stages: int, stacked: int, repeats: int, dropout: float, drop_path: float) -> Layout:
    """Lay out stages of normal cells, with a reduction cell before each but the first.

    Args:
        stages: Number of stages.
        stacked: Normal cells in each stage.
        repeats: As in ``Layout``.
        dropout: As in ``Layout``.
        drop_path: As in ``Layout``.

    Returns:
        The layout.
    """
    reduces = ([False] * stacked + [True]) * (stages - 1) + [False] * stacked
    return Layout(reduces=tuple(reduces), repeats=repeats, dropout=dropout, drop_path=drop_path)


def initial_weights(
    made: Layout,
    channels: int,
    classes: int,
    *,
    nodes: int,
    width: int,
    operations: Sequence[Operation] = OPERATIONS,
    generator: torch.Generator | None = None,
) -> Tensors:
    """Draw the shared weights; each edge from state to node has its own for each operation.

    A reduction cell halves the image and doubles the channels. Both inputs of a cell are brought to
    its size first (as in NASNet: Zoph et al., 2018). The concatenated loose ends of a cell are
    mixed by a 1×1 convolution. As architectures differ in their loose ends, it is computed as a sum
    of one 1×1 convolution per end. Weights are initialised as in He et al. (2015) for convolutions,
    and uniform in ±1/√width for the classifier.

    Args:
        made: The layout of the network.
        channels: Number of channels of the images.
        classes: Number of classes.
        nodes: Nodes of a cell.
        width: Channels of the first stage.
        operations: Operations that a branch may have.
        generator: Source of the weights.

    Returns:
        By name: convolutions ``(out, in, height, width)``, ``classifier`` ``(class, channel)`` and
        ``bias`` ``(class)``.
    """

    def convolution(out: int, into: int, kernel: int) -> Tensor:
        bound = (6 / (into * kernel**2)) ** 0.5
        weight = torch.empty(out, into, kernel, kernel)
        return weight.uniform_(-bound, bound, generator=generator)

    stem = {"stem": convolution(width, channels, 3)}
    squeeze, edge, end = ({} for _ in range(3))
    before, size = [width, width], width
    for cell, reduces in enumerate(made.reduces):
        size *= 1 + reduces
        for state in range(2):
            squeeze[f"squeeze.{cell}_{state}"] = convolution(size, before[state], 1)
        for node in range(2, nodes + 2):
            for name in _edges(cell, node, operations):
                for i in range(made.repeats):
                    kernel = KERNELS[name.rpartition("_")[2]]
                    edge[f"{name}_{i}_depth"] = convolution(size, 1, kernel)
                    edge[f"{name}_{i}_point"] = convolution(size, size, 1)
        for state in range(nodes + 2):
            end[f"end.{cell}_{state}"] = convolution(size, size, 1)
        before = [before[1], size]
    bound = size**-0.5
    classifier = torch.empty(classes, size).uniform_(-bound, bound, generator=generator)
    last = {"classifier": classifier, "bias": torch.zeros(classes)}
    return stem | squeeze | edge | end | last


def used_weights(made: Layout, genotype: ConvolutionalGenotype) -> list[str]:
    """List the weights that an architecture uses.

    Args:
        made: The layout of the network.
        genotype: The architecture.

    Returns:
        Their names, without duplicates.
    """
    names = ["stem"]
    for number, reduces in enumerate(made.reduces):
        cell = genotype.reduction if reduces else genotype.normal
        names += [f"squeeze.{number}_{state}" for state in range(2)]
        edges = dict.fromkeys(
            f"edge.{number}_{node}_{state}_{operation}"
            for node, branches in enumerate(cell, start=2)
            for state, operation in branches
            if operation in KERNELS
        )
        names += [
            f"{edge}_{i}_{kind}"
            for edge in edges
            for i in range(made.repeats)
            for kind in ("depth", "point")
        ]
        names += [f"end.{number}_{state}" for state in genotype.loose_ends(cell)]
    return [*names, *_CLASSIFIER]


class ConvolutionalNetwork:
    """The network of cells of the convolutional space."""

    def __init__(
        self,
        made: Layout,
        *,
        nodes: int,
        alike: bool,
        operations: Sequence[Operation],
        width: int,
    ) -> None:
        """Make the network.

        Args:
            made: The settings of the network, without its cells.
            nodes: As in ``ConvolutionalSpace``, like ``alike`` and ``operations``.
            alike: See there.
            operations: See there.
            width: Channels of the first stage.
        """
        self.space = ConvolutionalSpace(nodes, alike=alike, operations=operations)
        self._made, self._nodes, self._width = made, nodes, width

    def initial_weights(
        self, channels: int, classes: int, *, generator: torch.Generator
    ) -> Tensors:
        """Draw the shared weights: see the function of this name; as in ``initial_weights``."""
        return initial_weights(
            self._made,
            channels,
            classes,
            nodes=self._nodes,
            width=self._width,
            operations=self.space.operations,
            generator=generator,
        )

    def used(self, genotype: ConvolutionalGenotype) -> list[str]:
        """List the weights that an architecture uses, without duplicates."""
        return used_weights(self._made, genotype)

    def logits(
        self,
        weights: Weights,
        images: Tensor,
        genotype: ConvolutionalGenotype,
        norm: Norm,
        randoms: Sequence[torch.Generator] | None = None,
    ) -> list[Tensor]:
        """Classify images with the weights of several runs, as in ``Network``."""
        return Pass(self._made, weights, norm, randoms)(images, genotype)


def _edges(cell: int, node: int, operations: Sequence[Operation]) -> list[str]:
    kernels = [name for name in KERNELS if name in operations]
    return [f"edge.{cell}_{node}_{state}_{name}" for state in range(node) for name in kernels]
