"""Image files and arrays as bytes of one size, grey or RGB."""

import hashlib
import io
import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from wpl_lab.data.data_files import DataError
from wpl_lab.data.file_trees import Tree

Bytes = NDArray[np.uint8]

_GREY = {"1", "L", "LA", "La"}
_COLOUR = {"RGB", "RGBA", "RGBa", "RGBX", "P", "PA", "CMYK", "YCbCr", "HSV", "LAB"}


def decode_all(
    tree: Tree, names: Sequence[str], size: int | None
) -> tuple[Bytes, dict[str, bytes]]:
    """Decode image files of a tree.

    Args:
        tree: A folder or archive.
        names: Paths of the files.
        size: Height and width to which each image is resized; None if all have the same.

    Returns:
        Pixels ``(file, channel, height, width)``, with one channel if all are grey and three if
        any has colour; and by path the SHA-256 of each file.

    Raises:
        DataError: If a file is not an image of 8 bits per channel, is truncated or has more
            pixels than Pillow allows; if sizes differ and none is given.
    """
    rows = {name: row for row, name in enumerate(names)}
    digests: dict[str, bytes] = {}
    pixels: Bytes = np.empty((0, 0, 0, 0), np.uint8)
    first = ""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for name in filter(rows.__contains__, tree.files):
            raw = tree.read(name)
            image = _decode(raw, f"{tree.root / name}", size)
            if not first:
                first, pixels = name, np.empty((len(names), *image.shape), np.uint8)
            if image.shape[1:] != pixels.shape[2:]:
                given = [f"{h}×{w}" for h, w in (pixels.shape[2:], image.shape[1:])]
                raise DataError(
                    f"{tree.root / first} has {given[0]} pixels, {tree.root / name} has "
                    f"{given[1]}; set size to resize all images"
                )
            if len(image) > pixels.shape[1]:
                pixels = np.repeat(pixels, 3, axis=1)  # the first with colour: grey ones so far
            pixels[rows[name]] = image  # (channel, height, width); a grey one in each channel
            digests[name] = hashlib.sha256(raw).digest()
    return pixels, digests


def resize(pixels: Bytes, size: int) -> Bytes:
    """Resize images ``(sample, channel, height, width)`` to a square, channel by channel."""
    resized = np.empty((*pixels.shape[:2], size, size), np.uint8)
    for image, smaller in zip(pixels, resized, strict=True):
        for channel, row in zip(image, smaller, strict=True):
            row[:] = np.asarray(_square(Image.fromarray(channel), size))
    return resized


def _decode(raw: bytes, path: str, size: int | None) -> Bytes:
    try:
        with Image.open(io.BytesIO(raw)) as image:
            if image.format == "PNG":  # its pixels may be there and its end missing
                Image.open(io.BytesIO(raw)).verify()
            if image.mode not in _GREY | _COLOUR:
                raise ValueError(f"mode {image.mode}; expected 8 bits per channel, grey or colour")
            plain = image.convert("L" if image.mode in _GREY else "RGB")
    # Pillow's readers raise errors of many types.
    except Exception as error:
        why = "not an image" if isinstance(error, UnidentifiedImageError) else error
        raise DataError(f"{path} cannot be used: {why}") from error
    array = np.asarray(plain if size is None else _square(plain, size))
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def _square(image: Image.Image, size: int) -> Image.Image:
    return image.resize((size, size), Image.Resampling.BILINEAR)
