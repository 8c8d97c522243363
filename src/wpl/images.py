"""Labelled images in three parts: train, valid and test."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from wpl.artifact import load_tensors, save_tensors

Part = Literal["train", "valid", "test"]
PARTS: tuple[Part, ...] = ("train", "valid", "test")


@dataclass(frozen=True)
class Images:
    """Images as they were read, and their labels.

    Attributes:
        pixels: For each part, bytes ``(sample, channel, height, width)``.
        labels: For each part, integers ``(sample)`` from 0.
        about: Where the images come from: source, checksum, seed of the split.
    """

    pixels: Mapping[Part, Tensor]
    labels: Mapping[Part, Tensor]
    about: Mapping[str, Any]

    @property
    def classes(self) -> int:
        """Number of classes, counted in the training part."""
        return int(self.labels["train"].max()) + 1

    def flat(self, part: Part) -> tuple[Tensor, Tensor]:
        """Give one part as rows, standardised by mean and deviation of the training part.

        Returns:
            Features ``(sample, channel · height · width)``, float32, and labels ``(sample)``.
        """
        mean, deviation = self.scale
        pixels = (self.pixels[part].float() - mean[:, None, None]) / deviation[:, None, None]
        return pixels.flatten(1), self.labels[part]

    @cached_property
    def scale(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of each channel, over the training part."""
        train = self.pixels["train"].float()
        return train.mean((0, 2, 3)), train.std((0, 2, 3))  # (channel) each


def save_images(path: Path | str, images: Images) -> None:
    """Write images and labels to one file."""
    tensors = {f"{part}.pixels": images.pixels[part] for part in PARTS}
    tensors |= {f"{part}.labels": images.labels[part] for part in PARTS}
    save_tensors(path, "images", tensors, **images.about)


def load_images(path: Path | str) -> Images:
    """Read what ``save_images`` wrote.

    Returns:
        The images.

    Raises:
        ArtifactError: If the file is missing, damaged or of another kind.
    """
    tensors, about = load_tensors(path, "images")
    return Images(
        {part: tensors[f"{part}.pixels"] for part in PARTS},
        {part: tensors[f"{part}.labels"].to(torch.int64) for part in PARTS},
        about,
    )
