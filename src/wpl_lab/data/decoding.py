"""Decoding of image files into one array of pixels, with facts about the files."""

import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from wpl_lab.data.data_files import DataError
from wpl_lab.data.data_settings import Background
from wpl_lab.data.file_trees import Tree
from wpl_lab.data.image_file import ImageFile, Pixels, decode


@dataclass
class Decoded:
    """Decoded image files.

    Attributes:
        pixels: ``(file, channel, height, width)``: one channel if all are grey and three if any has
            colour; uint16 if any has 16 bits per channel, else uint8.
        digests: SHA-256 of each file, by path.
        traits: For each trait, such as ``"mode RGB"`` or ``"rotated by EXIF"``, the paths of the
            files that have it.
        sizes: Number of files of each height and width, before resizing.
    """

    pixels: Pixels
    digests: dict[str, bytes] = field(default_factory=dict)
    traits: dict[str, list[str]] = field(default_factory=dict)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)


def decode_all(
    tree: Tree, names: Sequence[str], size: int | None, background: Background
) -> Decoded:
    """Decode image files of a tree.

    Args:
        tree: A folder or archive.
        names: Paths of the files.
        size: Height and width to which each image is resized; None if all have the same size.
        background: Background of transparent pixels.

    Returns:
        The files, in the order of ``names``.

    Raises:
        DataError: If a file cannot be used (see ``image_file.decode``); if sizes differ and
            ``size`` is None; if all of them would not fit into memory.
    """
    rows = {name: row for row, name in enumerate(names)}
    check_memory(len(names), size or 1, 1)
    decoded = Decoded(np.empty((0, 0, 0, 0), np.uint8))
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for name in filter(rows.__contains__, tree.files):
            raw = tree.read(name)
            image = decode(raw, f"{tree.root / name}", background)
            pixels = image.pixels if size is None else resize(image.pixels[None], size)[0]
            if not decoded.digests:
                decoded.pixels = np.empty((len(names), *pixels.shape), pixels.dtype)
            elif pixels.shape[1:] != decoded.pixels.shape[2:]:
                first = next(iter(decoded.digests))
                raise DataError(
                    f"{tree.root / first} has {_size(decoded.pixels)} pixels, {tree.root / name} "
                    f"has {_size(pixels)}; set size to resize all images"
                )
            decoded.pixels = _put(decoded.pixels, rows[name], pixels)
            decoded.digests[name] = hashlib.sha256(raw).digest()
            decoded.sizes[image.pixels.shape[1:]] += 1
            for trait in _traits(image, pixels, background):
                decoded.traits.setdefault(trait, []).append(name)
    return decoded


def resize(pixels: Pixels, size: int) -> Pixels:
    """Resize images to a square, channel by channel.

    Args:
        pixels: ``(sample, channel, height, width)``.
        size: New height and width.

    Returns:
        ``(sample, channel, size, size)``, of the same data type.

    Raises:
        DataError: If they would not fit into memory.
    """
    check_memory(len(pixels) * pixels.shape[1], size, pixels.itemsize)
    resized = np.empty((*pixels.shape[:2], size, size), pixels.dtype)
    for image, smaller in zip(pixels, resized, strict=True):
        for channel, row in zip(image, smaller, strict=True):
            row[:] = _square(channel, size)
    return resized


def check_memory(channels: int, size: int, depth: int) -> None:
    """Check that images of a size fit into the memory of this machine.

    Args:
        channels: Number of channels of all images together.
        size: Their height and width.
        depth: Bytes of a value.

    Raises:
        DataError: If they do not.
    """
    needed, there = (
        channels * size**2 * depth,
        os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    )
    if needed > there:
        raise DataError(
            f"size: {size} makes {needed / 1e9:.0f} GB of the images, more than the memory of this "
            f"machine, {there / 1e9:.0f} GB; make it smaller, or set limit"
        )


def _square(channel: Pixels, size: int) -> Pixels:
    deep = channel.dtype == np.uint16  # Pillow resizes bytes and single precision
    image = Image.fromarray(channel.astype(np.float32) if deep else channel)
    resized = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
    square: Pixels = np.rint(resized).astype(np.uint16) if deep else resized
    return square


def _put(whole: Pixels, row: int, image: Pixels) -> Pixels:
    """Store an image ``(channel, height, width)``; converts all to colour or 16 bits if needed."""
    if len(image) > whole.shape[1]:
        whole = np.repeat(whole, 3, axis=1)  # grey images so far
    if image.dtype != whole.dtype:  # 255 of 8 bits is 65535 of 16
        if image.dtype == np.uint16:
            whole = whole.astype(np.uint16) * np.uint16(257)
        else:
            image = image.astype(np.uint16) * np.uint16(257)
    whole[row] = image  # a grey one in each channel
    return whole


def _traits(image: ImageFile, pixels: Pixels, background: Background) -> list[str]:
    found = {
        f"mode {image.mode}": True,
        "rotated by EXIF": image.rotated,
        f"transparent, on {background}": image.transparent,
        "first of several frames": image.frames > 1,
        "of one colour only": bool((pixels == pixels[:, :1, :1]).all()),
    }
    return [trait for trait, holds in found.items() if holds]


def _size(pixels: Pixels) -> str:
    return "×".join(map(str, pixels.shape[-2:]))
