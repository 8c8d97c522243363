"""An image file is decoded as a viewer shows it: upright, opaque, in full precision."""

import io
import warnings
import zlib

import numpy as np
import pytest
import torch
from image_folders import deep_png, encoded, fill, pixels, read, write
from PIL import Image, ImageOps

from wpl_lab.data.data_files import DataError
from wpl_lab.data.image_file import decode, is_image

COLOUR = Image.fromarray(pixels("colour", shape=(5, 7, 3)))
DEEP = np.random.default_rng(0).integers(65536, size=(5, 7, 4)).astype("u2")


def shown(image):
    """Return the pixels that Pillow decodes, ``(channel, height, width)``."""
    return np.atleast_3d(np.asarray(image)).transpose(2, 0, 1)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("kind", "how"), [("JPEG", {}), ("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True})]
)
def test_images_are_turned_upright(orientation, kind, how):
    exif = Image.Exif()
    exif[0x0112] = orientation
    raw = encoded(COLOUR, kind, exif=exif, **how)
    found = decode(raw, "it")
    with Image.open(io.BytesIO(raw)) as image:
        expected = shown(ImageOps.exif_transpose(image))
    assert np.array_equal(found.pixels, expected)
    assert found.rotated == (orientation != 1)
    if kind == "PNG":
        plain = shown(COLOUR)
        assert found.pixels.shape == ((3, 5, 7) if orientation < 5 else (3, 7, 5))
        assert sorted(found.pixels.ravel()) == sorted(plain.ravel())


def test_a_deep_image_is_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind in ("PNG", "TIFF"):
        found = decode(encoded(DEEP[..., 0], kind, exif=exif), "it")
        assert found.rotated
        assert np.array_equal(found.pixels[0], np.rot90(DEEP[..., 0], -1))


def test_damaged_exif_is_ignored():
    exif = Image.Exif()
    exif[0x0112] = 6
    raw = encoded(COLOUR, "JPEG", exif=exif)
    start = raw.index(b"Exif\0\0") + 6
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = decode(raw[:start] + b"\xff" * 8 + raw[start + 8 :], "it")
    assert not found.rotated
    assert found.pixels.shape == (3, 5, 7)


def sign(mode):
    """Return a black sign on a transparent background, in a mode with opacity."""
    image = Image.new("LA" if mode == "LA" else "RGBA", (6, 6), 0)
    image.paste((0, 255) if mode == "LA" else (0, 0, 0, 255), (1, 1, 3, 5))
    return image if mode in {"LA", "RGBA"} else image.convert(mode)


@pytest.mark.parametrize(("background", "ground"), [("white", 255), ("black", 0)])
@pytest.mark.parametrize(("mode", "kind"), [("LA", "PNG"), ("RGBA", "PNG"), ("RGBA", "WEBP")])
def test_a_black_sign_on_a_transparent_background_is_visible(mode, kind, background, ground):
    found = decode(encoded(sign(mode), kind, lossless=True), "it", background)
    expected = np.full((6, 6), ground, "u1")
    expected[1:5, 1:3] = 0
    assert found.transparent
    assert len(found.pixels) == (1 if mode == "LA" else 3)
    assert (found.pixels == expected).all()


def test_half_transparent_pixels_are_blended():
    image = pixels("mixed", shape=(5, 7, 4))
    colour, share = image[..., :3].astype(float), image[..., 3:] / 255
    expected = (colour * share + 255 * (1 - share)).transpose(2, 0, 1)
    assert np.abs(decode(encoded(image), "it").pixels - expected).max() <= 1


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_a_colour_declared_as_transparent_is_transparent(mode):
    image = Image.new(mode, (4, 4), 0)
    image.paste(1, (0, 0, 2, 4)) if mode in {"1", "P"} else image.paste("white", (0, 0, 2, 4))
    if mode == "P":
        image.putpalette([0, 0, 0, 255, 255, 255])
    found = decode(encoded(image, transparency=(0, 0, 0) if mode == "RGB" else 0), "it")
    assert found.transparent
    assert (found.pixels == 255).all()


@pytest.mark.parametrize(
    ("mode", "channels"),
    [("1", 1), ("L", 1), ("LA", 1), ("P", 3), ("RGB", 3), ("RGBA", 3), ("CMYK", 3)],
)
def test_any_opaque_mode_of_eight_bits_is_grey_or_rgb(mode, channels):
    image = COLOUR.convert(mode)
    found = decode(encoded(image, "TIFF"), "it")
    assert (found.mode, found.transparent, found.frames) == (mode, False, 1)
    assert found.pixels.shape == (channels, 5, 7)
    assert (found.pixels == shown(image.convert("RGB"))).all()


@pytest.mark.parametrize(
    "raw",
    [
        encoded(DEEP[..., 0]),
        deep_png(DEEP[..., :1]),
        encoded(DEEP[..., 0], "TIFF"),
        encoded(DEEP[..., 0].astype(">u2"), "TIFF"),
        b"P5 7 5 65535\n" + DEEP[..., 0].astype(">u2").tobytes(),
    ],
)
def test_grey_of_sixteen_bits_is_kept(raw):
    found = decode(raw, "it")
    assert found.mode == "L, 16 bits"
    assert np.array_equal(found.pixels, DEEP[None, ..., 0])


def test_colour_of_sixteen_bits_is_kept():
    found = decode(deep_png(DEEP[..., :3]), "it")
    assert found.mode == "RGB, 16 bits"
    assert np.array_equal(found.pixels, DEEP[..., :3].transpose(2, 0, 1))


@pytest.mark.parametrize("channels", [2, 4])
def test_sixteen_bits_with_opacity_are_blended(channels):
    values = DEEP[..., :channels]
    found = decode(deep_png(values), "it")
    share = values[..., -1] / 65535
    expected = values[..., :-1].transpose(2, 0, 1) * share + 65535 * (1 - share)
    assert found.transparent
    assert len(found.pixels) == channels - 1
    assert np.abs(found.pixels - expected).max() <= 0.5
    opaque = values.copy()
    opaque[..., -1] = 65535
    found = decode(deep_png(opaque), "it")
    assert not found.transparent
    assert np.array_equal(found.pixels, opaque[..., :-1].transpose(2, 0, 1))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_deep_colour_declared_as_transparent_is_transparent(channels):
    values = DEEP[..., :channels]
    found = decode(deep_png(values, clear=values[2, 3]), "it")
    expected = values.transpose(2, 0, 1).copy()
    expected[:, 2, 3] = 65535
    assert found.transparent
    assert np.array_equal(found.pixels, expected)


def deep_tiff(values, *, order, photometric=2, extra=(), compression=1):
    """Encode values as in ``deep_png`` as a TIFF of 16 bits per channel, which Pillow cannot."""
    height, width, channels = values.shape
    data = values.astype({"little": "<u2", "big": ">u2"}[order]).tobytes()
    data = zlib.compress(data) if compression == 8 else data
    data += bytes(len(data) % 2)

    def number(value, length):
        return value.to_bytes(length, order)

    def entry(tag, *given):
        field = b"".join(number(value, 2) for value in given).ljust(4, b"\0")
        if len(field) > 4:
            field = number(8 + len(data), 4)
        return number(tag, 2) + number(3, 2) + number(len(given), 4) + field

    bits = number(16, 2) * channels
    entries = [
        entry(256, width),
        entry(257, height),
        entry(258, *[16] * channels),
        entry(259, compression),
    ]
    entries += [entry(262, photometric), entry(273, 8), entry(277, channels), entry(278, height)]
    entries += [entry(279, len(data)), *[entry(338, *extra) for _ in extra]]
    start = number(8 + len(data) + len(bits), 4)
    head = {"little": b"II", "big": b"MM"}[order] + number(42, 2) + start
    return head + data + bits + number(len(entries), 2) + b"".join(entries) + bytes(4)


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("compression", [1, 8])
def test_colour_of_sixteen_bits_in_a_tiff_is_kept(order, channels, compression):
    values, extra = DEEP[..., :channels], (0,) * (channels - 3)
    raw = deep_tiff(values, order=order, extra=extra, compression=compression)
    found = decode(raw, "it")
    assert found.mode == "RGB, 16 bits"
    assert np.array_equal(found.pixels, values[..., :3].transpose(2, 0, 1))


def test_colour_of_more_than_eight_bits_in_a_ppm_is_kept():
    values = DEEP[..., :3]
    raw = b"P6 7 5 65535\n" + values.astype(">u2").tobytes()
    assert np.array_equal(decode(raw, "it").pixels, values.transpose(2, 0, 1))
    raw = b"P6 7 5 1023\n" + (values // 64).astype(">u2").tobytes()
    expected = np.rint((values // 64).transpose(2, 0, 1) * (65535 / 1023))
    assert np.array_equal(decode(raw, "it").pixels, expected)


def test_files_that_would_be_truncated_to_eight_bits_are_refused():
    raw = deep_tiff(DEEP, order="little", photometric=5)
    with pytest.raises(DataError, match=r"it cannot be used: TIFF of kind CMYK .* would be cut"):
        decode(raw, "it")


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP"])
def test_the_first_of_several_frames_is_taken(kind):
    frames = [Image.new("RGB", (6, 6), colour) for colour in ("red", "lime", "blue")]
    raw = encoded(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)
    found = decode(raw, "it")
    assert found.frames == 3
    assert np.array_equal(found.pixels, shown(frames[0]))


def test_images_of_eight_and_sixteen_bits_have_one_scale(tmp_path):
    """255 in 8 bits equals 65535 in 16 bits, in any order of the files."""
    fill(tmp_path, each=3)
    write(tmp_path, "train/cat/1.png", DEEP[:6, :6, 0].repeat(2, 0)[:6].repeat(2, 1)[:, :6])
    write(tmp_path, "test/dog/1.png", raw=deep_png(np.full((6, 6, 3), 65535, "u2")))
    images = read("folder", tmp_path)
    assert {images.pixels[part].dtype for part in images.pixels} == {torch.uint16}
    train = images.pixels["train"].numpy()
    assert np.array_equal(train[0, 0], pixels("train/cat/0.png").astype("u2") * 257)
    assert np.array_equal(train[1, 2], DEEP[:6, :6, 0].repeat(2, 0)[:6].repeat(2, 1)[:, :6])
    assert (images.pixels["test"][4].int() == 65535).all()
    rows, _ = images.flat("train")
    exact = train.astype(float)
    expected = (exact - exact.mean((0, 2, 3), keepdims=True)) / exact.std(
        (0, 2, 3), keepdims=True, ddof=1
    )
    np.testing.assert_allclose(rows, expected.reshape(len(train), -1), rtol=1e-5, atol=1e-5)


def test_sixteen_bits_are_resized_in_full_precision(tmp_path):
    fill(tmp_path, each=1)
    coarse = np.random.default_rng(1).integers(65536, size=(2, 2)).astype("u2")
    for part in ("train", "valid", "test"):
        write(tmp_path, f"{part}/cat/0.png", np.kron(coarse, np.ones((40, 40), "u2")))
    images = read("folder", tmp_path, size=4)
    smaller = images.pixels["train"][0, 0].numpy()
    assert np.array_equal(smaller[::3, ::3], coarse), "a corner is in one block"


@pytest.mark.parametrize(
    ("name", "raw", "expected"),
    [
        ("a/x.PNG", b"", True),
        ("x.jpeg", b"no", True),
        ("x.heic", b"no", True),
        ("x", encoded(COLOUR, "GIF"), True),
        ("x.dat", encoded(COLOUR, "JPEG"), True),
        ("Thumbs.db", b"\xd0\xcf\x11\xe0", False),
        ("README", b"P1 is a format", False),
        ("labels.csv", b"a,b\n", False),
        ("x", b"", False),
    ],
)
def test_an_image_is_recognised_by_its_suffix_or_its_content(name, raw, expected):
    assert is_image(name, lambda _: raw) == expected
