"""Images with 16 bits per channel, of which Pillow reads only 8 bits unless they are grey."""

import io
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Deep = NDArray[np.uint16]

# Pillow's names of the pixel formats in a file, without the byte order.
_COLOUR = {"RGB", "RGBA", "RGBX"}


def is_deep(image: Image.Image) -> bool:
    """Tell whether an image, not decoded yet, has more than 8 bits per channel."""
    pgm = image.mode == "I" and image.format == "PPM"  # scaled to 65535 by Pillow
    return pgm or image.mode.startswith("I;16") or _is_cut(image)


def deep_pixels(raw: bytes) -> tuple[Deep, Deep | None]:
    """Read an image with more than 8 bits per channel.

    Args:
        raw: Content of its file.

    Returns:
        Pixels ``(channel, height, width)``, one channel or three; and opacity ``(height, width)``
        up to 65535; None if the file has none.

    Raises:
        ValueError: If Pillow can read only 8 bits of its format.
    """
    image = Image.open(io.BytesIO(raw))
    if _is_cut(image):
        pixels = _both_bytes(raw, image)
    else:
        twelve = "I;12" in str(image.tile)
        pixels = np.asarray(image).astype(np.uint16)[..., None]
        pixels = np.rint(pixels * (65535 / 4095)).astype(np.uint16) if twelve else pixels
    pixels = pixels.transpose(2, 0, 1)
    if len(pixels) in {2, 4}:
        return pixels[:-1], pixels[-1]
    clear = image.info.get("transparency")
    if clear is None:
        return pixels, None
    shown = (pixels != np.reshape(clear, (-1, 1, 1))).any(0)  # (height, width)
    return pixels, np.where(shown, np.uint16(65535), np.uint16(0))


def _is_cut(image: Any) -> bool:
    """Tell whether Pillow would reduce an image from 16 bits to 8."""
    if image.mode.startswith("I") or not image.tile:
        return False
    # As its decoder's arguments tell: "RGB;16B", or the largest value 65535 in PPM.
    arguments = image.tile[0].args
    if image.format == "PPM":
        return isinstance(arguments, tuple) and arguments[-1] > 255
    return ";16" in str(arguments)


def _both_bytes(raw: bytes, image: Any) -> Deep:
    """Decode ``(height, width, channel)`` twice, for the two bytes of each value."""
    if image.format == "PPM":
        return _ppm(raw, image)
    arguments = image.tile[0].args
    kind, order = (arguments if isinstance(arguments, str) else arguments[0]).split(";16")
    if kind == "LA":  # two values of two bytes look like one of four
        first, second = np.split(_decoded(raw, "RGBA").reshape(*image.size[::-1], 2, 2), 2, -1)
        return _joined(first[..., 0], second[..., 0])
    if kind not in _COLOUR:
        raise ValueError(
            f"{image.format} of kind {kind} with 16 bits per channel would be cut to 8; "
            "convert it to grey or RGB"
        )
    # Pillow reads the first byte if told that values are big-endian, else the second.
    first, second = (_decoded(raw, f"{kind};16{order}") for order in "BL")
    little = order == "L" or (order == "N" and sys.byteorder == "little")
    pixels = _joined(second, first) if little else _joined(first, second)
    return pixels[..., :3] if kind == "RGBX" else pixels


def _decoded(raw: bytes, kind: str) -> NDArray[np.uint8]:
    image: Any = Image.open(io.BytesIO(raw))
    for i, tile in enumerate(image.tile):
        rest = () if isinstance(tile.args, str) else tile.args[1:]
        image.tile[i] = tile._replace(args=(kind, *rest) if rest else kind)
    return np.asarray(image)


def _joined(high: NDArray[np.uint8], low: NDArray[np.uint8]) -> Deep:
    return high.astype(np.uint16) * np.uint16(256) + low  # (height, width, channel)


def _ppm(raw: bytes, image: Any) -> Deep:
    """Read a PPM: after the header, red, green and blue of each pixel, big-endian."""
    largest, (width, height) = image.tile[0].args[-1], image.size
    values = np.frombuffer(raw, ">u2", 3 * width * height, image.tile[0].offset)
    scaled: Deep = np.rint(values.reshape(height, width, 3) * (65535 / largest)).astype(np.uint16)
    return scaled
