"""Where images come from, and how they are dealt out to train, valid and test."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor

from wpl_lab.data.data_files import DataError
from wpl_lab.data.data_settings import ImageSource
from wpl_lab.data.decoding import Bytes, decode_all, resize
from wpl_lab.data.file_trees import open_tree
from wpl_lab.data.image_downloads import Given, read_cifar10, read_mnist
from wpl_lab.data.image_folders import by_class, warn_of_overlap
from wpl_lab.data.images import PARTS, Images, Part
from wpl_lab.seeding import derive, generator

_Labels = NDArray[np.int64]
_Rows = dict[Part, tuple[Part, NDArray[np.intp]]]


def read_images(
    source: ImageSource,
    *,
    root: Path,
    size: int | None = None,
    limit: int | None = None,
    valid_share: float,
    test_share: float,
    seed: int,
) -> Images:
    """Read a data set and split it, the same classes in the same shares in every part.

    Args:
        source: ``"digits"``, scikit-learn's 1,797 images of 8×8; ``"mnist"``, ``"fashion_mnist"``,
            ``"cifar10"``; or ``"folder"``, images by class (``image_folders.by_class``).
        root: The folder into which a data set is downloaded, or where it is: that of ``MNIST/raw``,
            of ``FashionMNIST/raw``, of ``cifar-10-binary.tar.gz``. For ``"folder"``, the folder, or
            an archive of it. ``"digits"`` needs none.
        size: Height and width to which images are resized; None leaves them as they are.
        limit: At most so many training images of each class, drawn at random, a smaller draw from
            a larger one; None takes all. Valid and test are those of the whole.
        valid_share: Share of the training images held out for validation, where the source has no
            such part.
        test_share: Share of all images held out as test data, where the source has no such part.
        seed: Seed of the splits and of the draw.

    Returns:
        The images.

    Raises:
        DataError: If files are missing and cannot be downloaded, fail their checksum, or are not
            images by class of one size; if a share leaves a part without images of some class.
    """
    how: dict[str, Any] = {"shares": {"test": test_share, "valid": valid_share}, "seed": seed}
    about: dict[str, Any] = {"source": source}
    if source == "folder":
        pixels, labels, found = _read_folder(root, size, limit, **how)
        about |= found
    else:
        given, given_labels = _read_given(source, root, test_share, seed)
        rows = _deal(given_labels, limit, **how)
        pixels = {part: given[whole][some] for part, (whole, some) in rows.items()}
        labels = {part: given_labels[whole][some] for part, (whole, some) in rows.items()}
        if size is not None:
            pixels = {part: resize(whole, size) for part, whole in pixels.items()}
        content = hashlib.sha256()
        for part in given:
            content.update(given[part].tobytes())
            content.update(given_labels[part].tobytes())
        about["sha256"] = content.hexdigest()
    return Images(
        {part: _tensor(pixels[part]) for part in PARTS},
        {part: _tensor(labels[part]) for part in PARTS},
        {**about, "seed": seed},
    )


def _read_given(source: ImageSource, root: Path, test_share: float, seed: int) -> Given:
    if source == "digits":
        images, labels = load_digits(return_X_y=True)
        pixels = images.reshape(-1, 1, 8, 8).astype(np.uint8)  # grey levels 0 to 16
        rest, test = _split(labels, "test", test_share, seed)
        return {"train": pixels[rest], "test": pixels[test]}, {
            "train": labels[rest],
            "test": labels[test],
        }
    if source == "mnist":
        return read_mnist(root, "MNIST")
    if source == "fashion_mnist":
        return read_mnist(root, "FashionMNIST")
    if source == "cifar10":
        return read_cifar10(root)
    known = ", ".join(get_args(ImageSource))
    raise DataError(f"there is no data source {source!r}; known are {known}")


def _read_folder(
    root: Path, size: int | None, limit: int | None, *, shares: Mapping[Part, float], seed: int
) -> tuple[dict[Part, Bytes], dict[Part, _Labels], dict[str, Any]]:
    with open_tree(root) as tree:
        files = by_class(tree)
        rows = _deal(files.labels, limit, shares=shares, seed=seed)
        names = {part: files.names[whole][some].tolist() for part, (whole, some) in rows.items()}
        decoded, digests = decode_all(tree, [name for part in PARTS for name in names[part]], size)
    warn_of_overlap(names, digests)
    content = hashlib.sha256()
    for name, digest in sorted(digests.items()):
        content.update(f"{name}\0".encode() + digest)
    ends = np.cumsum([len(names[part]) for part in PARTS])
    return (
        dict(zip(PARTS, np.split(decoded, ends[:-1]), strict=True)),
        {part: files.labels[whole][some] for part, (whole, some) in rows.items()},
        {"sha256": content.hexdigest(), "classes": files.classes},
    )


def _deal(
    labels: Mapping[Part, _Labels], limit: int | None, *, shares: Mapping[Part, float], seed: int
) -> _Rows:
    """Choose the images of each part: from which part of the source, and which of its rows."""
    rows: _Rows = {part: (part, np.arange(len(labels[part]))) for part in labels}
    for part, share in shares.items():
        if part not in rows:
            _, some = rows["train"]
            kept, cut = _split(labels["train"][some], part, share, seed)
            rows |= {"train": ("train", some[kept]), part: ("train", some[cut])}
    if limit is not None:
        _, some = rows["train"]
        drawn = _draw(labels["train"][some], limit, seed)
        rows["train"] = ("train", some[drawn])
    return rows


def _draw(labels: _Labels, limit: int, seed: int) -> NDArray[np.intp]:
    """Draw at most ``limit`` numbers of samples of each class."""
    shuffled = torch.randperm(len(labels), generator=generator(seed, "images", "limit")).numpy()
    by_label = shuffled[np.argsort(labels[shuffled], kind="stable")]
    _, starts = np.unique(labels[by_label], return_index=True)
    place = np.arange(len(labels)) - np.repeat(starts, np.diff([*starts, len(labels)]))
    return np.sort(by_label[place < limit])


def _split(
    labels: _Labels, part: Part, share: float, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Cut sample numbers in two, ``share`` of each class in the second part."""
    try:
        first, second = train_test_split(
            np.arange(len(labels)),
            test_size=share,
            stratify=labels,
            random_state=derive(seed, "split", part) % 2**32,
        )
    except ValueError as error:
        raise DataError(f"{part}_share: {share} of {len(labels)} images: {error}") from error
    return np.sort(first), np.sort(second)


def _tensor(array: NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))
