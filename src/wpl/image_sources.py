"""Where images come from: data that ships with a dependency, or a torchvision data set."""

import hashlib
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor

from wpl.data_files import DataError, missing, verify
from wpl.images import Images
from wpl.seeding import derive

Source = Literal["digits", "mnist"]

# MD5 of the unpacked files; torchvision verifies the archives that it downloads, not these.
_MNIST_FILES = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


def read_images(
    source: Source, *, root: Path, valid_share: float, test_share: float, seed: int
) -> Images:
    """Read a data set and split it, the same classes in the same shares in every part.

    Args:
        source: ``"digits"``, scikit-learn's 1,797 images of 8×8; or ``"mnist"``.
        root: The folder that holds ``MNIST/raw``, as torchvision lays it out; what is missing is
            downloaded there. ``"digits"`` needs none.
        valid_share: Share of the training images held out for validation.
        test_share: Share of all images held out as test data, where the source has no such part.
        seed: Seed of the splits.

    Returns:
        The images, as they were read.

    Raises:
        DataError: If files are missing and cannot be downloaded, or fail their checksum; if a
            share leaves a part without images of some class.
    """
    if source == "digits":
        images, labels = load_digits(return_X_y=True)
        pixels = images.reshape(-1, 1, 8, 8).astype(np.uint8)  # grey levels 0 to 16
        rest, test = _split(labels, "test", test_share, seed)
        test_pixels, test_labels = pixels[test], labels[test]
        pixels, labels = pixels[rest], labels[rest]
    elif source == "mnist":
        pixels, labels, test_pixels, test_labels = _read_mnist(root)
    else:
        known = ", ".join(get_args(Source))
        raise DataError(f"there is no data source {source!r}; known are {known}")
    train, valid = _split(labels, "valid", valid_share, seed)
    content = (pixels, labels, test_pixels, test_labels)
    return Images(
        {
            "train": _tensor(pixels[train]),
            "valid": _tensor(pixels[valid]),
            "test": _tensor(test_pixels),
        },
        {
            "train": _tensor(labels[train]),
            "valid": _tensor(labels[valid]),
            "test": _tensor(test_labels),
        },
        {
            "source": source,
            "sha256": hashlib.sha256(b"".join(a.tobytes() for a in content)).hexdigest(),
            "seed": seed,
        },
    )


_Array = NDArray[np.generic]


def _read_mnist(root: Path) -> tuple[_Array, _Array, _Array, _Array]:
    from torchvision.datasets import MNIST  # noqa: PLC0415 - slow, and digits does not need it

    files = {root / "MNIST" / "raw" / name: md5 for name, md5 in _MNIST_FILES.items()}
    absent = [file for file in files if not file.is_file()]
    if absent:
        try:
            MNIST(str(root), download=True)  # verifies the archives
        except (RuntimeError, OSError) as error:
            remedy = "set data.root to the folder that holds MNIST/raw"
            raise missing(absent[0], error, remedy) from error
    verify(files)
    train, test = (MNIST(str(root), train=train) for train in (True, False))
    return (
        train.data.unsqueeze(1).numpy(),
        train.targets.numpy(),
        test.data.unsqueeze(1).numpy(),
        test.targets.numpy(),
    )


def _split(labels: _Array, part: str, share: float, seed: int) -> tuple[_Array, _Array]:
    """Cut sample numbers in two, ``share`` of each class in the second part."""
    try:
        first, second = train_test_split(
            np.arange(len(labels)),
            test_size=share,
            stratify=labels,
            random_state=derive(seed, "split", part) % 2**32,
        )
    except ValueError as error:
        raise DataError(f"data.{part}_share: {share} of {len(labels)} images: {error}") from error
    return np.sort(first), np.sort(second)


def _tensor(array: _Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))
