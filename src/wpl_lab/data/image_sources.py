"""Sources of images: data sets that are shipped or downloaded, and folders of your own."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch import Tensor

from wpl_lab.data.data_files import DataError
from wpl_lab.data.data_settings import ImageData, ImageSource
from wpl_lab.data.decoding import decode_all, resize
from wpl_lab.data.file_trees import open_tree
from wpl_lab.data.image_downloads import Given, read_cifar10, read_mnist
from wpl_lab.data.image_facts import facts_of_files
from wpl_lab.data.image_file import Pixels
from wpl_lab.data.image_folders import by_class
from wpl_lab.data.image_split import Labels, deal
from wpl_lab.data.images import Images
from wpl_lab.data.parts import PARTS, Part

_Read = tuple[Mapping[Part, Pixels], Mapping[Part, Labels], dict[str, Any]]


def read_images(settings: ImageData) -> Images:
    """Read a data set and split it into parts, stratified by class.

    Args:
        settings: Where the images are, and how they are split. The images of a folder or archive
            are sorted by ``image_folders.by_class`` and decoded by ``image_file.decode``.

    Returns:
        The images.

    Raises:
        DataError: If files are missing and cannot be downloaded, fail their checksum, or are not
            images by class, all of one size; if a share leaves a part without images of some class.
    """
    if settings.source == "folder":
        pixels, labels, about = _read_folder(settings)
    else:
        pixels, labels, about = _read_known(settings)
    return Images(
        {part: _tensor(pixels[part]) for part in PARTS},
        {part: _tensor(labels[part]) for part in PARTS},
        {"source": settings.source, **about, "seed": settings.seed},
    )


def _read_known(settings: ImageData) -> _Read:
    given, given_labels = _download(settings)
    rows = deal(given_labels, settings)
    pixels: dict[Part, Pixels] = {part: given[whole][some] for part, (whole, some) in rows.items()}
    labels = {part: given_labels[whole][some] for part, (whole, some) in rows.items()}
    if settings.size is not None:
        pixels = {part: resize(whole, settings.size) for part, whole in pixels.items()}
    content = hashlib.sha256()
    for part in given:
        content.update(given[part].tobytes())
        content.update(given_labels[part].tobytes())
    return pixels, labels, {"sha256": content.hexdigest()}


def _download(settings: ImageData) -> Given:
    root = Path(settings.root)
    if settings.source == "mnist":
        return read_mnist(root, "MNIST")
    if settings.source == "fashion_mnist":
        return read_mnist(root, "FashionMNIST")
    if settings.source == "cifar10":
        return read_cifar10(root)
    if settings.source == "digits":
        images, labels = load_digits(return_X_y=True)
        pixels = images.reshape(-1, 1, 8, 8).astype(np.uint8)  # grey levels 0 to 16
        return {"train": pixels}, {"train": labels}
    known = ", ".join(get_args(ImageSource))
    raise DataError(f"there is no data source {settings.source!r}; known are {known}")


def _read_folder(settings: ImageData) -> _Read:
    with open_tree(Path(settings.root)) as tree:
        files = by_class(tree)
        rows = deal(files.labels, settings, files.classes)
        names = {part: files.names[whole][some].tolist() for part, (whole, some) in rows.items()}
        every = [name for part in PARTS for name in names[part]]
        decoded = decode_all(tree, every, settings.size, settings.background)
    labels = {part: files.labels[whole][some] for part, (whole, some) in rows.items()}
    content = hashlib.sha256()
    for name, digest in sorted(decoded.digests.items()):
        content.update(name.encode("utf-8", "surrogateescape") + b"\0" + digest)
    ends = np.cumsum([len(names[part]) for part in PARTS])
    facts = facts_of_files(tree, files, decoded, names, labels)
    return (
        dict(zip(PARTS, np.split(decoded.pixels, ends[:-1]), strict=True)),
        labels,
        {
            "sha256": content.hexdigest(),
            "classes": files.classes,
            "facts": [asdict(fact) for fact in facts],
        },
    )


def _tensor(array: NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))
