"""The interface of a network whose architectures share their weights, for image classification."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from wpl_lab.search.protocol import Genotype, Space, Tensors
from wpl_lab.search.spaces.normalisation import Norm


@dataclass(frozen=True)
class Weights:
    """The weights of several runs, in the form for a forward pass.

    Attributes:
        convolutions: By name, ``(run · out, in, height, width)``.
        classifiers: For each run, ``(class, channel)``.
        biases: For each run, ``(class)``.
    """

    convolutions: Mapping[str, Tensor]
    classifiers: Sequence[Tensor]
    biases: Sequence[Tensor]


def side_by_side(weights: Mapping[str, Tensor]) -> Weights:
    """Merge the weights of several runs into the form for a forward pass.

    Args:
        weights: By name, ``(run, ...)``.

    Returns:
        The weights, with the dimensions run and out of convolutions merged.
    """
    return Weights(
        {n: w.flatten(0, 1) for n, w in weights.items() if n not in ("classifier", "bias")},
        weights["classifier"].unbind(),
        weights["bias"].unbind(),
    )


class Network(Protocol):
    """A network that can be any architecture of a space."""

    @property
    def space(self) -> Space:
        """The architectures."""

    def initial_weights(
        self, channels: int, classes: int, *, generator: torch.Generator
    ) -> Tensors:
        """Draw the weights of all architectures.

        Args:
            channels: Number of channels of the images.
            classes: Number of classes.
            generator: Source of the weights.

        Returns:
            By name; those of the last layer are ``classifier`` ``(class, channel)`` and ``bias``
            ``(class)``.
        """

    def used(self, genotype: Genotype) -> list[str]:
        """List the weights that an architecture uses, without duplicates."""

    def logits(
        self,
        weights: Weights,
        images: Tensor,
        genotype: Genotype,
        norm: Norm,
        randoms: Sequence[torch.Generator] | None = None,
    ) -> list[Tensor]:
        """Classify images with one architecture and the weights of several runs side by side.

        Args:
            weights: The weights that the architecture uses.
            images: ``(batch, run · channel, height, width)``.
            genotype: The architecture.
            norm: The normalisation.
            randoms: The source of random numbers for dropout in each run; by default, no dropout.

        Returns:
            The logits of each run, ``(batch, class)``.
        """
