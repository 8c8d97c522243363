"""The split of labelled images into train, valid and test."""

import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from wpl_lab.data.data_files import DataError
from wpl_lab.data.data_settings import ImageData
from wpl_lab.data.parts import Part
from wpl_lab.seeding import derive, generator

Labels = NDArray[np.int64]
Rows = dict[Part, tuple[Part, NDArray[np.intp]]]


def deal(
    labels: Mapping[Part, Labels], settings: ImageData, classes: tuple[str, ...] | None = None
) -> Rows:
    """Choose the images of each part; parts missing in the source are split off train, test first.

    Args:
        labels: For each part of the source, the class of each image ``(image)``.
        settings: Shares of the missing parts, limit of training images, and the seed of both.
        classes: Names of the classes, for errors; None if their names are their numbers.

    Returns:
        For each part, the part of the source that it is taken from, and the rows there.

    Raises:
        DataError: If a share leaves a part without images of some class.
    """
    rows: Rows = {part: (part, np.arange(len(labels[part]))) for part in labels}
    shares: dict[Part, float] = {"test": settings.test_share, "valid": settings.valid_share}
    for part, share in shares.items():
        if part not in rows:
            _, some = rows["train"]
            kept, cut = _split(labels["train"][some], part, share, settings.seed, classes)
            rows |= {"train": ("train", some[kept]), part: ("train", some[cut])}
    if settings.limit is not None:
        _, some = rows["train"]
        drawn = _draw(labels["train"][some], settings.limit, settings.seed)
        rows["train"] = ("train", some[drawn])
    return rows


def _split(
    labels: Labels, part: Part, share: float, seed: int, classes: tuple[str, ...] | None
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Split sample indices in two, with ``share`` of each class in the second, the ``part``."""
    counts = np.bincount(labels)
    single = int(np.argmin(counts))
    if counts[single] < 2:
        name = classes[single] if classes else str(single)
        raise DataError(
            f"class {name!r} has {counts[single]} image; a class needs one for train and one for "
            f"{part}, which {part}_share cuts from train"
        )
    second = math.ceil(share * len(labels))
    if min(second, len(labels) - second) < len(counts):
        raise DataError(
            f"{part}_share: {share} of {len(labels)} images leaves {len(labels) - second} and "
            f"{second}; both must be at least {len(counts)}, the number of classes"
        )
    first, held_out = train_test_split(
        np.arange(len(labels)),
        test_size=share,
        stratify=labels,
        random_state=derive(seed, "split", part) % 2**32,
    )
    return np.sort(first), np.sort(held_out)


def _draw(labels: Labels, limit: int, seed: int) -> NDArray[np.intp]:
    """Draw the indices of at most ``limit`` samples of each class."""
    shuffled = torch.randperm(len(labels), generator=generator(seed, "images", "limit")).numpy()
    by_label = shuffled[np.argsort(labels[shuffled], kind="stable")]
    _, starts = np.unique(labels[by_label], return_index=True)
    place = np.arange(len(labels)) - np.repeat(starts, np.diff([*starts, len(labels)]))
    return np.sort(by_label[place < limit])
