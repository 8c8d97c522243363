"""Data sets of torchvision: downloaded, verified, and read as plain bytes."""

import gzip
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wpl.files import atomic
from wpl_lab.data.data_files import DataError, download, verify
from wpl_lab.data.file_trees import open_tree
from wpl_lab.data.parts import Part

if TYPE_CHECKING:
    from torchvision.datasets import MNIST

Given = tuple[Mapping[Part, NDArray[np.uint8]], Mapping[Part, NDArray[np.int64]]]

# MD5 of the unpacked files; torchvision knows those of the archives.
_UNPACKED = {
    "MNIST": {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
    "FashionMNIST": {
        "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
        "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
        "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
    },
}

# The binary version: reading the one for Python, as torchvision does, may run code in the file.
_CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
_CIFAR10_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
_CIFAR10_FILES: dict[Part, list[str]] = {
    "train": [f"data_batch_{i}.bin" for i in range(1, 6)],
    "test": ["test_batch.bin"],
}
_CIFAR10_SHAPE = (3, 32, 32)


def read_mnist(root: Path, name: str) -> Given:
    """Read MNIST or Fashion-MNIST: 60,000 and 10,000 grey images of 28×28 pixels.

    Args:
        root: The folder that holds ``MNIST/raw`` or ``FashionMNIST/raw``, in the layout of
            torchvision; missing files are downloaded there.
        name: ``"MNIST"`` or ``"FashionMNIST"``, as torchvision calls it.

    Returns:
        Pixels ``(sample, 1, height, width)`` and labels ``(sample)`` of train and test.

    Raises:
        DataError: If a file is missing and cannot be downloaded, or fails its checksum.
    """
    folder = root / name / "raw"
    files = {folder / file: md5 for file, md5 in _UNPACKED[name].items()}
    if absent := [file for file in files if not file.is_file()]:
        from torchvision import datasets  # noqa: PLC0415 - slow, and rarely needed

        for file in absent:
            _fetch_idx(file, getattr(datasets, name))
    verify(files)
    train_x, train_y, test_x, test_y = map(_read_idx, files)
    pixels: dict[Part, NDArray[np.uint8]] = {"train": train_x[:, None], "test": test_x[:, None]}
    return pixels, {"train": train_y.astype(np.int64), "test": test_y.astype(np.int64)}


def read_cifar10(root: Path) -> Given:
    """Read CIFAR-10 (Krizhevsky, 2009): 50,000 and 10,000 colour images of 32×32 pixels.

    Args:
        root: The folder of ``cifar-10-binary.tar.gz``, into which it is downloaded if missing.

    Returns:
        Pixels ``(sample, 3, 32, 32)`` and labels ``(sample)`` of train and test.

    Raises:
        DataError: If the archive is missing and cannot be downloaded, or fails its checksum.
    """
    archive = root / Path(_CIFAR10_URL).name
    if not archive.is_file():
        download(archive, [_CIFAR10_URL], _CIFAR10_MD5, f"set root to the folder of {archive.name}")
    verify({archive: _CIFAR10_MD5})
    with open_tree(archive) as tree:
        content = {Path(name).name: tree.read(name) for name in tree.files if name.endswith("bin")}
    pixels: dict[Part, NDArray[np.uint8]] = {}
    labels: dict[Part, NDArray[np.int64]] = {}
    for part, files in _CIFAR10_FILES.items():
        # For each image, a byte for the label, then red, green and blue, row by row.
        raw = np.frombuffer(b"".join(content[file] for file in files), np.uint8)
        records = raw.reshape(-1, 1 + np.prod(_CIFAR10_SHAPE, dtype=int))
        pixels[part] = records[:, 1:].reshape(-1, *_CIFAR10_SHAPE)
        labels[part] = records[:, 0].astype(np.int64)
    return pixels, labels


def _fetch_idx(file: Path, dataset: "type[MNIST]") -> None:
    archive = file.with_name(f"{file.name}.gz")
    urls = [mirror + archive.name for mirror in dataset.mirrors]
    remedy = f"set root to the folder that holds {file.parent.parent.name}/raw"
    if not archive.is_file():
        download(archive, urls, dict(dataset.resources)[archive.name], remedy)
    try:
        with gzip.open(archive) as packed, atomic(file) as temporary, temporary.open("wb") as plain:
            shutil.copyfileobj(packed, plain)
    except (EOFError, gzip.BadGzipFile) as error:
        raise DataError(f"{archive} is damaged: {error}; delete the file") from error


def _read_idx(file: Path) -> NDArray[np.uint8]:
    """Read MNIST's IDX format: two zero bytes, type, number of dimensions; shape; data."""
    raw = file.read_bytes()
    dimensions = raw[3]
    shape = np.frombuffer(raw, ">i4", dimensions, offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions).reshape(shape)
