"""Labelled images in three parts: train, valid and test."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wpl_lab.data.parts import PARTS, Part
from wpl_lab.io.artifact import load_tensors, save_tensors


@dataclass(frozen=True)
class Images:
    """Images and their labels.

    Attributes:
        pixels: For each part, ``(sample, channel, height, width)``: uint8 up to 255, or uint16 up
            to 65535 if any image has more than 8 bits per channel.
        labels: For each part, integers ``(sample)`` from 0.
        about: Origin of the images: source, checksum, seed of the split; for a folder also the
            names of the classes and facts about the files.
    """

    pixels: Mapping[Part, Tensor]
    labels: Mapping[Part, Tensor]
    about: Mapping[str, Any]

    @property
    def classes(self) -> int:
        """Number of classes, counted in the training part."""
        return int(self.labels["train"].max()) + 1

    @property
    def sizes(self) -> dict[Part, int]:
        """Number of images of each part."""
        return {part: len(self.labels[part]) for part in PARTS}

    @cached_property
    def scale(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each channel of the training part.

        They are computed exactly, from counts of the values, without a copy of the pixels.
        A constant channel gets deviation 1, so that division is possible.

        Returns:
            Mean ``(channel)`` and standard deviation ``(channel)``, float32.
        """
        moments = [_moments(channel) for channel in _counts(self.pixels["train"]).tolist()]
        mean, deviation = torch.tensor(moments).unbind(1)
        return mean, deviation

    def flat(self, part: Part) -> tuple[Tensor, Tensor]:
        """Return a part as rows of features, standardised by ``scale``.

        Returns:
            Features ``(sample, channel · height · width)``, float32, and labels ``(sample)``.
        """
        mean, deviation = self.scale
        pixels = (self.pixels[part].float() - mean[:, None, None]) / deviation[:, None, None]
        return pixels.flatten(1), self.labels[part]


def save_images(path: Path | str, images: Images) -> None:
    """Write images and labels to one file."""
    tensors = {f"{part}.pixels": images.pixels[part] for part in PARTS}
    tensors |= {f"{part}.labels": images.labels[part] for part in PARTS}
    save_tensors(path, "images", tensors, **images.about)


def load_images(path: Path | str) -> Images:
    """Read a file written by ``save_images``.

    Returns:
        The images; the pixels are memory-mapped.

    Raises:
        ArtifactError: If the file is missing, damaged or of another kind.
    """
    tensors, about = load_tensors(path, "images")
    return Images(
        {part: tensors[f"{part}.pixels"] for part in PARTS},
        {part: tensors[f"{part}.labels"].to(torch.int64) for part in PARTS},
        about,
    )


def _counts(pixels: Tensor) -> Tensor:
    """Count the values of pixels ``(sample, channel, height, width)``: ``(channel, value)``."""
    values = torch.iinfo(pixels.dtype).max + 1
    counts = torch.zeros(pixels.shape[1], values, dtype=torch.int64)
    for some in pixels.split(max(1, 2**24 // pixels[0].numel())):  # 16 million values at a time
        for channel in range(len(counts)):
            flat = some[:, channel].flatten()
            flat = flat if flat.dtype == torch.uint8 else flat.to(torch.int32)
            counts[channel] += torch.bincount(flat, minlength=values)
    return counts


def _moments(counts: list[int]) -> tuple[float, float]:
    n, first, second = (sum(c * k**power for k, c in enumerate(counts)) for power in (0, 1, 2))
    return first / n, math.sqrt((n * second - first**2) / (n * (n - 1))) or 1.0
