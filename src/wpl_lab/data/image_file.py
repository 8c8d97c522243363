"""One image file: its pixels, upright and on an opaque background, and facts about it."""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from wpl_lab.data.data_files import DataError
from wpl_lab.data.data_settings import Background
from wpl_lab.data.deep_pixels import deep_pixels, is_deep

Pixels = NDArray[np.unsignedinteger[Any]]  # uint8 or uint16

# Formats told by their first bytes, and all that are read.
_TELLING = ["AVIF", "BMP", "GIF", "ICO", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP"]
_READ = [*_TELLING, "DIB", "PCX", "TGA"]
# Suffixes of images; formats of the second line cannot be read.
_SUFFIX = re.compile(
    r"\.(apng|avif|bmp|dib|gif|ico|j2k|jfif|jp2|jpe|jpe?g|p[bgnp]m|pcx|png|tga|tiff?|webp"
    r"|arw|cr[23]|dng|hei[cf]|jxl|nef|psd|raf|svg)",
    re.IGNORECASE,
)
_GREY = {"1", "L", "LA", "La"}
_COLOUR = {"RGB", "RGBA", "RGBa", "RGBX", "P", "PA", "CMYK", "YCbCr", "HSV", "LAB"}
_ORIENTATION = 0x0112  # the EXIF tag
# How to turn an image upright: exchange height and width, then reverse either axis.
_UPRIGHT = {
    2: (False, slice(None), slice(None, None, -1)),
    3: (False, slice(None, None, -1), slice(None, None, -1)),
    4: (False, slice(None, None, -1), slice(None)),
    5: (True, slice(None), slice(None)),
    6: (True, slice(None), slice(None, None, -1)),
    7: (True, slice(None, None, -1), slice(None, None, -1)),
    8: (True, slice(None, None, -1), slice(None)),
}


@dataclass(frozen=True)
class ImageFile:
    """A decoded image file.

    Attributes:
        pixels: ``(channel, height, width)``, one channel if it is grey and three if it has colour;
            uint16 if the file has more than 8 bits per channel, else uint8.
        mode: Pillow's name of its pixel format, such as ``"RGB"``, or ``"RGB, 16 bits"``.
        rotated: Whether its EXIF orientation was not upright.
        transparent: Whether any pixel was not opaque.
        frames: Number of images in the file; the first one is used.
    """

    pixels: Pixels
    mode: str
    rotated: bool
    transparent: bool
    frames: int


def is_image(name: str, read: Callable[[str], bytes]) -> bool:
    """Tell whether a file is an image: by its suffix, or else by its content.

    Args:
        name: Path of the file.
        read: Returns the content of a file.

    Returns:
        Whether it is an image, or has the suffix of one.
    """
    if _SUFFIX.fullmatch(PurePosixPath(name).suffix):
        return True
    try:
        Image.open(io.BytesIO(read(name)), formats=_TELLING).close()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return True
    except Exception:  # Pillow raises many types
        return False
    return True


def decode(raw: bytes, path: str, background: Background = "white") -> ImageFile:
    """Decode an image file.

    16 bits per channel are kept, except for colour in JPEG 2000 and AVIF, of which Pillow reads 8
    bits.

    Args:
        raw: Content of the file.
        path: Its path, for the error.
        background: Background of transparent pixels.

    Returns:
        The pixels, upright according to EXIF, and facts about the file.

    Raises:
        DataError: If it is not an image, is truncated or has more pixels than Pillow allows; if its
            values have no known range, or would be reduced from 16 bits to 8.
    """
    try:
        with Image.open(io.BytesIO(raw), formats=_READ) as image:
            if image.format == "PNG":  # it may be truncated after the pixels
                Image.open(io.BytesIO(raw), formats=_READ).verify()
            deep, turn = is_deep(image), _orientation(image)  # both before it is decoded
            if deep:
                pixels, alpha = deep_pixels(raw)
                mode = f"{'L' if len(pixels) == 1 else 'RGB'}{'A' if alpha is not None else ''}"
                mode += ", 16 bits"
                transparent = alpha is not None and bool((alpha < 65535).any())
                if alpha is not None and transparent:
                    pixels = _on(background, pixels, alpha)
            else:
                mode = image.mode
                plain, transparent = _opaque(image, background)
                array = np.asarray(plain)
                pixels = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
            # Pillow turns TIFFs upright when it decodes them.
            pixels = _upright(pixels, turn if image.format != "TIFF" else 1)
            return ImageFile(
                pixels, mode, turn in _UPRIGHT, transparent, getattr(image, "n_frames", 1)
            )
    # Pillow's readers raise errors of many types.
    except Exception as error:
        unknown = isinstance(error, UnidentifiedImageError)
        why = "not an image, or of an unsupported format" if unknown else error
        raise DataError(f"{path} cannot be used: {why}") from error


def _opaque(image: Image.Image, background: Background) -> tuple[Image.Image, bool]:
    """Convert to grey or RGB of 8 bits; also tell whether any pixel was not opaque."""
    if image.mode not in _GREY | _COLOUR:
        raise ValueError(f"mode {image.mode}; expected 8 or 16 bits per channel, grey or colour")
    wanted = "L" if image.mode in _GREY else "RGB"
    if image.has_transparency_data or image.mode in {"La", "RGBa"}:
        straight = {"La": "LA", "RGBa": "RGBA"}.get(image.mode, image.mode)
        opacity = image.convert(straight).convert("RGBA")
        if np.asarray(opacity)[..., 3].min() < 255:
            ground = Image.new("RGBA", image.size, background)
            return Image.alpha_composite(ground, opacity).convert("RGB").convert(wanted), True
    return image.convert(wanted), False


def _on(background: Background, pixels: Pixels, alpha: Pixels) -> Pixels:
    """Composite transparent pixels ``(channel, height, width)`` onto a background."""
    ground = 65535.0 if background == "white" else 0.0
    share = alpha / 65535
    return np.rint(pixels * share + ground * (1 - share)).astype(np.uint16)


def _orientation(image: Any) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # of many types; damaged EXIF is ignored
        return 1


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Turn ``(channel, height, width)`` upright."""
    if orientation not in _UPRIGHT:
        return pixels
    exchanged, rows, columns = _UPRIGHT[orientation]
    turned = pixels.transpose(0, 2, 1) if exchanged else pixels
    return turned[:, rows, columns]
