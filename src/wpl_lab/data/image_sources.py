"""Where images come from: data sets that are shipped or downloaded, and folders of one's own."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch import Tensor

from wpl_lab.data.data_files import DataError
from wpl_lab.data.decoding import decode_all, resize
from wpl_lab.data.file_trees import open_tree
from wpl_lab.data.image_downloads import Given, read_cifar10, read_mnist
from wpl_lab.data.image_facts import facts_of_files
from wpl_lab.data.image_file import Background, Pixels
from wpl_lab.data.image_folders import by_class
from wpl_lab.data.image_split import Labels, deal, split
from wpl_lab.data.images import Images
from wpl_lab.data.parts import PARTS, Part

Source = Literal["digits", "mnist", "fashion_mnist", "cifar10", "folder"]


def read_images(
    source: Source,
    *,
    root: Path,
    size: int | None = None,
    limit: int | None = None,
    background: Background = "white",
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
        background: What shows through transparent pixels.
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
    shares: dict[Part, float] = {"test": test_share, "valid": valid_share}
    if source == "folder":
        pixels, labels, about = _read_folder(root, size, limit, background, shares, seed)
    else:
        given, given_labels = _read_given(source, root, test_share, seed)
        rows = deal(given_labels, limit, shares=shares, seed=seed)
        pixels = {part: given[whole][some] for part, (whole, some) in rows.items()}
        labels = {part: given_labels[whole][some] for part, (whole, some) in rows.items()}
        if size is not None:
            pixels = {part: resize(whole, size) for part, whole in pixels.items()}
        content = hashlib.sha256()
        for part in given:
            content.update(given[part].tobytes())
            content.update(given_labels[part].tobytes())
        about = {"sha256": content.hexdigest()}
    return Images(
        {part: _tensor(pixels[part]) for part in PARTS},
        {part: _tensor(labels[part]) for part in PARTS},
        {"source": source, **about, "seed": seed},
    )


def _read_given(source: Source, root: Path, test_share: float, seed: int) -> Given:
    if source == "digits":
        images, labels = load_digits(return_X_y=True)
        pixels = images.reshape(-1, 1, 8, 8).astype(np.uint8)  # grey levels 0 to 16
        rest, test = split(labels, "test", test_share, seed)
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
    known = ", ".join(get_args(Source))
    raise DataError(f"there is no data source {source!r}; known are {known}")


def _read_folder(
    root: Path,
    size: int | None,
    limit: int | None,
    background: Background,
    shares: Mapping[Part, float],
    seed: int,
) -> tuple[dict[Part, Pixels], dict[Part, Labels], dict[str, Any]]:
    with open_tree(root) as tree:
        files = by_class(tree)
        rows = deal(files.labels, limit, shares=shares, seed=seed, classes=files.classes)
        names = {part: files.names[whole][some].tolist() for part, (whole, some) in rows.items()}
        every = [name for part in PARTS for name in names[part]]
        decoded = decode_all(tree, every, size, background)
    labels = {part: files.labels[whole][some] for part, (whole, some) in rows.items()}
    content = hashlib.sha256()
    for name, digest in sorted(decoded.digests.items()):
        content.update(name.encode("utf-8", "surrogateescape") + b"\0" + digest)
    ends = np.cumsum([len(names[part]) for part in PARTS])
    return (
        dict(zip(PARTS, np.split(decoded.pixels, ends[:-1]), strict=True)),
        labels,
        {
            "sha256": content.hexdigest(),
            "classes": files.classes,
            "facts": [asdict(fact) for fact in facts_of_files(tree, files, decoded, names, labels)],
        },
    )


def _tensor(array: NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))
