"""Image classifiers with any cells of a space, all sharing one set of weights."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from wpl_lab.search.protocol import Tensors
from wpl_lab.search.spaces.convolutional import OPERATIONS, ConvolutionalGenotype, Operation
from wpl_lab.search.spaces.convolutional_pass import Layout, Norm, Pass, Statistics, Weights

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
        Their names, each once.
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


def side_by_side(weights: Mapping[str, Tensor]) -> Weights:
    """Merge the weights of several runs into the form that a pass takes.

    Args:
        weights: By name, ``(run, ...)``.

    Returns:
        The weights, with the dimensions run and out of convolutions merged.
    """
    return Weights(
        {name: w.flatten(0, 1) for name, w in weights.items() if name not in _CLASSIFIER},
        weights["classifier"].unbind(),
        weights["bias"].unbind(),
    )


class ConvolutionalChild(nn.Module):
    """One architecture with the weights of one run, as a module for ``diagonal_fisher``.

    The names of its parameters are those of the weights, with "/" in place of ".".
    """

    def __init__(
        self,
        made: Layout,
        weights: Mapping[str, Tensor],
        genotype: ConvolutionalGenotype,
        statistics: Statistics,
    ) -> None:
        """Register the weights as parameters.

        Args:
            made: The layout of the network.
            weights: By name, those that the architecture uses, in the shapes of one run.
            genotype: The architecture.
            statistics: Mean and variance ``(channel)`` for each normalisation.
        """
        super().__init__()
        self._layout, self._genotype, self._statistics = made, genotype, statistics
        for name, weight in weights.items():
            self.register_parameter(name.replace(".", "/"), nn.Parameter(weight))

    def forward(self, images: Tensor) -> Tensor:
        """Compute logits; the result for an image does not depend on the others.

        Args:
            images: ``(batch, channel, height, width)``.

        Returns:
            Logits ``(batch, class)``.
        """
        own = {name.replace("/", "."): p for name, p in self.named_parameters()}
        weights = Weights(own, [own["classifier"]], [own["bias"]])
        (logits,) = Pass(self._layout, weights, Norm(self._statistics))(images, self._genotype)
        return logits


def _edges(cell: int, node: int, operations: Sequence[Operation]) -> list[str]:
    kernels = [name for name in KERNELS if name in operations]
    return [f"edge.{cell}_{node}_{state}_{name}" for state in range(node) for name in kernels]
