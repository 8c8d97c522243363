"""Helpers that write and read small folders of images by class."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from wpl_lab.data.data_settings import ImageData
from wpl_lab.data.image_sources import read_images


def read(source, root="unused", **changed):
    """Read images; a tenth is held out for validation, a fifth as test data."""
    given = {"size": None, "background": "white", "limit": None}
    given |= {"valid_share": 0.1, "test_share": 0.2, "seed": 0}
    return read_images(ImageData(source=source, root=str(root), **given | changed))


def pixels(name, *, shape=(6, 6)):
    """Return noise with the name as its seed."""
    return np.random.default_rng(list(name.encode())).integers(256, size=shape, dtype="u1")


def encoded(image, kind="PNG", **how):
    stream = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(stream, kind, **how)
    return stream.getvalue()


def png_chunk(kind, content):
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def deep_png(array, clear=None):
    """Encode ``(height, width, channel)`` as a PNG of 16 bits per channel, which Pillow cannot.

    ``clear`` is the transparent colour.
    """
    height, width, channels = array.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)  # 0: no filter
    chunks = [png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))]
    chunks += [] if clear is None else [png_chunk(b"tRNS", np.array(clear, ">u2").tobytes())]
    chunks += [png_chunk(b"IDAT", zlib.compress(rows)), png_chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def write(root, name, array=None, *, raw=None):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(pixels(name) if array is None else array) if raw is None else raw)
    return path


def fill(root, parts=("train", "valid", "test"), classes=("cat", "dog"), each=4):
    """Write ``each`` images per class and part; without parts, into one folder per class."""
    for where in [f"{part}/" for part in parts] or [""]:
        for name in classes:
            for i in range(each):
                write(root, f"{where}{name}/{i}.png")
    return root
