"""A classifier of images whose cells are any of a space, all sharing one set of weights."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from wpl_lab.search.spaces.convolutional import OPERATIONS, ConvolutionalGenotype, Operation
from wpl_lab.search.spaces.convolutional_pass import Norm, Pass, Statistics

KERNELS = {"sep3": 3, "sep5": 5}
"""Sizes of the separable convolutions."""


class ConvolutionalModel(nn.Module):
    """Shared weights of all cells: each edge from state to node has its own for each operation.

    A stem is followed by stages of normal cells, and before each stage but the first a reduction
    cell halves the image and doubles the channels. Both inputs of a cell are brought to its size
    first (as in NASNet: Zoph et al., 2018); the concatenated loose ends of a cell are mixed by a
    1×1 convolution, which here is the sum of one of each end, since which ends are loose differs.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        *,
        nodes: int,
        width: int,
        stages: int,
        stacked: int,
        repeats: int,
        operations: Sequence[Operation] = OPERATIONS,
        dropout: float = 0.0,
        drop_path: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> None:
        """Draw initial weights: He et al. (2015) for convolutions, ±1/√width for the classifier.

        Args:
            channels: Of the images.
            classes: Number of classes.
            nodes: Nodes of a cell.
            width: Channels of the first stage.
            stages: Number of stages.
            stacked: Normal cells in each stage.
            repeats: How often a separable convolution is applied in a row (ENAS: 2).
            operations: What a branch may do.
            dropout: Probability of dropping a feature before the classifier.
            drop_path: Probability of dropping the result of an operation, for a whole image;
                identities are never dropped.
            generator: Source of the initial weights.
        """
        super().__init__()

        def convolution(out: int, into: int, kernel: int) -> nn.Parameter:
            bound = (6 / (into * kernel**2)) ** 0.5
            weight = torch.empty(out, into, kernel, kernel)
            return nn.Parameter(weight.uniform_(-bound, bound, generator=generator))

        self.reduces = ([False] * stacked + [True]) * (stages - 1) + [False] * stacked
        """For each cell, from first to last, whether it is a reduction cell."""
        self.stem = convolution(width, channels, 3)
        self.squeeze, self.edge, self.end = (nn.ParameterDict() for _ in range(3))
        before, size = [width, width], width
        for cell, reduces in enumerate(self.reduces):
            size *= 1 + reduces
            for state in range(2):
                self.squeeze[f"{cell}_{state}"] = convolution(size, before[state], 1)
            for node in range(2, nodes + 2):
                for name in _edges(cell, node, operations):
                    for i in range(repeats):
                        kernel = KERNELS[name.rpartition("_")[2]]
                        self.edge[f"{name}_{i}_depth"] = convolution(size, 1, kernel)
                        self.edge[f"{name}_{i}_point"] = convolution(size, size, 1)
            for state in range(nodes + 2):
                self.end[f"{cell}_{state}"] = convolution(size, size, 1)
            before = [before[1], size]
        bound = size**-0.5
        self.classifier = nn.Parameter(
            torch.empty(classes, size).uniform_(-bound, bound, generator=generator)
        )
        self.bias = nn.Parameter(torch.zeros(classes))
        self.repeats, self.dropout, self.drop_path = repeats, dropout, drop_path

    def used(self, genotype: ConvolutionalGenotype) -> list[str]:
        """Name the parameters that an architecture uses, each once."""
        names = ["stem", *(f"squeeze.{name}" for name in self.squeeze)]
        for number, reduces in enumerate(self.reduces):
            cell = genotype.reduction if reduces else genotype.normal
            edges = dict.fromkeys(
                f"{number}_{node}_{state}_{operation}"
                for node, branches in enumerate(cell, start=2)
                for state, operation in branches
                if operation in KERNELS
            )
            names += [
                f"edge.{edge}_{i}_{kind}"
                for edge in edges
                for i in range(self.repeats)
                for kind in ("depth", "point")
            ]
            names += [f"end.{number}_{state}" for state in genotype.loose_ends(cell)]
        return [*names, "classifier", "bias"]

    def forward(
        self,
        images: Tensor,
        genotype: ConvolutionalGenotype,
        statistics: Statistics | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Classify images.

        Args:
            images: ``(batch, channel, height, width)``.
            genotype: The cells.
            statistics: As from ``measure``; by default those of the batch.
            generator: Source of what is dropped, in training; on the device of the weights.

        Returns:
            Logits ``(batch, class)``.
        """
        return Pass(self, Norm(statistics), generator if self.training else None)(images, genotype)

    @torch.no_grad()
    def measure(self, images: Tensor, genotype: ConvolutionalGenotype) -> Statistics:
        """Measure the statistics of an architecture on a batch of images.

        Returns:
            Mean and variance of each normalisation, in the order in which they are used.
        """
        norm = Norm(None, keep=True)
        Pass(self, norm, None)(images, genotype)
        return norm.kept


def _edges(cell: int, node: int, operations: Sequence[Operation]) -> list[str]:
    kernels = [name for name in KERNELS if name in operations]
    return [f"{cell}_{node}_{state}_{name}" for state in range(node) for name in kernels]
