"""Images by class, from a folder or an archive, and errors about invalid ones."""

import os
import shutil
import struct
import zlib
from pathlib import Path

import image_folders
import numpy as np
import pytest
import torch
from image_folders import encoded, fill, pixels, png_chunk, write

from wpl_lab.data.data_files import DataError
from wpl_lab.data.images import load_images, save_images
from wpl_lab.data.parts import PARTS

SPLIT = {"valid_share": 0.25, "test_share": 0.25}


def read(root, **changed):
    return image_folders.read("folder", root, **SPLIT | changed)


def rows(images, part):
    """Return the images of a part as bytes, by label."""
    return sorted(
        (label, image.numpy().tobytes())
        for image, label in zip(images.pixels[part], images.labels[part].tolist(), strict=True)
    )


def test_parts_are_those_of_the_folder(tmp_path):
    images = read(fill(tmp_path))
    for part in PARTS:
        expected = [
            (label, pixels(f"{part}/{name}/{i}.png").tobytes())
            for label, name in enumerate(("cat", "dog"))
            for i in range(4)
        ]
        assert rows(images, part) == sorted(expected)
        assert images.pixels[part].shape == (8, 1, 6, 6)
    assert images.about["classes"] == ("cat", "dog")
    assert images.classes == 2


@pytest.mark.parametrize(
    ("parts", "sizes"),
    [
        ((), (18, 6, 8)),  # a quarter of 32 is test; of the other 24, a quarter is valid
        (("train",), (18, 6, 8)),
        (("train", "test"), (24, 8, 32)),
        (("train", "valid"), (24, 32, 8)),
    ],
)
def test_missing_parts_are_split_off_from_train(tmp_path, parts, sizes):
    images = read(fill(tmp_path, parts, each=16))
    assert tuple(len(images.labels[part]) for part in PARTS) == sizes
    everything = [row for part in PARTS for row in rows(images, part)]
    assert len(set(everything)) == 32 * max(1, len(parts)), "without overlap or loss"
    for part in PARTS:
        assert torch.equal(
            images.labels[part].bincount(), torch.tensor([sizes[PARTS.index(part)] // 2] * 2)
        )
    again, other = read(tmp_path), read(tmp_path, seed=1)
    assert all(torch.equal(again.pixels[part], images.pixels[part]) for part in PARTS)
    assert not torch.equal(other.pixels["train"], images.pixels["train"])


def test_names_do_not_depend_on_the_order_on_disk(tmp_path):
    first = fill(tmp_path / "a")
    second = tmp_path / "b"
    for file in sorted(first.rglob("*.png"), reverse=True):
        write(second, file.relative_to(first), raw=file.read_bytes())
    found, expected = read(second), read(first)
    assert all(torch.equal(found.pixels[part], expected.pixels[part]) for part in PARTS)
    assert found.about == expected.about


@pytest.mark.parametrize("kind", ["zip", "tar", "gztar", "xztar"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_an_archive_is_read_like_a_folder(tmp_path, kind, wrapped):
    root = fill(tmp_path / "pets")
    base = {"root_dir": tmp_path, "base_dir": "pets"} if wrapped else {"root_dir": root}
    archive = shutil.make_archive(str(tmp_path / "archive"), kind, **base)
    found, expected = read(tmp_path / archive), read(root)
    for part in PARTS:
        assert torch.equal(found.pixels[part], expected.pixels[part])
        assert torch.equal(found.labels[part], expected.labels[part])


def test_other_files_in_the_folder_are_left_out(tmp_path):
    hidden = [".DS_Store", "train/.DS_Store", "train/cat/._0.png", "__MACOSX/train/cat/0.png"]
    others = ["Thumbs.db", "train/desktop.ini", "test/cat/Thumbs.db", "README", "labels.csv"]
    for name in [*hidden, *others]:
        write(tmp_path, name, raw=b"no image")
    images = read(fill(tmp_path))
    assert all(len(images.labels[part]) == 8 for part in PARTS)
    notes = {fact["name"]: fact["note"] for fact in images.about["facts"]}
    assert notes["left out, no image"] == f"5: {', '.join(sorted(others))}"
    assert notes["left out, hidden"].startswith("4: ")
    assert all(name in notes["left out, hidden"] for name in hidden[:3])


def test_an_image_without_a_suffix_is_read(tmp_path):
    fill(tmp_path)
    (tmp_path / "train/cat/0.png").rename(tmp_path / "train/cat/0")
    (tmp_path / "train/cat/1.png").rename(tmp_path / "train/cat/1.PNG")
    assert len(read(tmp_path).labels["train"]) == 8


@pytest.mark.parametrize(
    "names",
    [("train", "val", "test"), ("Training", "validation", "testing"), ("TRAIN", "dev", "Test")],
)
def test_parts_may_have_other_names(tmp_path, names):
    fill(tmp_path / "a")
    for old, new in zip(PARTS, names, strict=True):
        shutil.copytree(tmp_path / "a" / old, tmp_path / "b" / new)
    found, expected = read(tmp_path / "b"), read(tmp_path / "a")
    assert all(torch.equal(found.pixels[part], expected.pixels[part]) for part in PARTS)


def test_common_parent_folders_are_left_out_of_the_names(tmp_path):
    fill(tmp_path / "a/b/c/d/e/f/g/h", parts=())
    write(tmp_path, "a/README.md", raw=b"#")
    assert read(tmp_path).about["classes"] == ("cat", "dog")


def test_names_that_are_not_utf_8_are_read(tmp_path):
    fill(tmp_path / "pets")
    for part in PARTS:
        (tmp_path / "pets" / part / "cat").rename(
            os.fsdecode(os.fsencode(tmp_path / "pets" / part) + b"/ca\xff")
        )
    images = read(tmp_path / "pets")
    assert images.about["classes"] == ("ca\\xff", "dog")
    save_images(tmp_path / "images", images)
    assert load_images(tmp_path / "images").about["classes"] == ["ca\\xff", "dog"]
    archive = shutil.make_archive(str(tmp_path / "archive"), "tar", tmp_path / "pets")
    assert read(tmp_path / archive).about["classes"] == ("ca\\xff", "dog")
    bad = os.fsdecode(os.fsencode(tmp_path / "pets") + b"/train/ca\xff/0.png")
    Path(bad).write_bytes(b"no image")
    with pytest.raises(DataError, match=r"ca\\xff/0.png cannot be used") as error:
        read(tmp_path / "pets")
    assert str(error.value).isascii()


def test_unicode_normal_forms_of_a_class_name_are_equal(tmp_path):
    fill(tmp_path, classes=["dog", "\u00e9l\u00e9phant"], parts=["train"])
    fill(tmp_path, classes=["dog", "e\u0301le\u0301phant"], parts=["valid", "test"])
    assert read(tmp_path).about["classes"] == ("dog", "\u00e9l\u00e9phant")


def test_one_colour_image_makes_all_images_rgb(tmp_path):
    fill(tmp_path)
    colour = pixels("colour", shape=(6, 6, 3))
    write(tmp_path, "train/dog/0.png", colour)
    images = read(tmp_path)
    assert all(images.pixels[part].shape == (8, 3, 6, 6) for part in PARTS)
    assert torch.equal(images.pixels["train"][4], torch.from_numpy(colour.transpose(2, 0, 1)))
    grey = torch.from_numpy(pixels("test/cat/0.png"))
    assert torch.equal(images.pixels["test"][0], grey.expand(3, 6, 6))
    assert torch.equal(images.pixels["train"][0, 1], torch.from_numpy(pixels("train/cat/0.png")))


def test_images_are_resized(tmp_path):
    fill(tmp_path)
    write(tmp_path, "train/cat/0.png", np.full((40, 20), 77, np.uint8))
    write(tmp_path, "train/cat/1.png", np.kron(np.eye(2), np.full((8, 8), 200)).astype(np.uint8))
    images = read(tmp_path, size=4)
    assert all(images.pixels[part].shape == (8, 1, 4, 4) for part in PARTS)
    assert (images.pixels["train"][0] == 77).all(), "the mean of equal pixels"
    diagonal = images.pixels["train"][1, 0].int()
    assert diagonal.diagonal().min() > 100 > diagonal[0, 3] == diagonal[3, 0]


@pytest.mark.parametrize("source", ["digits", "folder"])
def test_a_limit_samples_each_class_of_train_only(tmp_path, source):
    root = fill(tmp_path, each=12)

    def limited(limit, seed=0):
        return image_folders.read(source, root, limit=limit, seed=seed)

    whole, few, more = limited(None), limited(3), limited(5)
    assert few.labels["train"].bincount().tolist() == [3] * whole.classes
    assert set(rows(few, "train")) < set(rows(more, "train")) < set(rows(whole, "train"))
    for part in ("valid", "test"):
        assert torch.equal(few.pixels[part], whole.pixels[part])
    assert torch.equal(limited(3).pixels["train"], few.pixels["train"])
    assert torch.equal(limited(10**6).pixels["train"], whole.pixels["train"])


def test_images_are_read_back_from_their_file(tmp_path):
    images = read(fill(tmp_path / "pets"))
    save_images(tmp_path / "images.safetensors", images)
    found = load_images(tmp_path / "images.safetensors")
    assert all(torch.equal(found.pixels[part], images.pixels[part]) for part in PARTS)
    assert found.about["classes"] == ["cat", "dog"]
    assert len(found.about["sha256"]) == 64


def test_the_checksum_covers_names_and_contents(tmp_path):
    first = read(fill(tmp_path)).about["sha256"]
    assert read(tmp_path, seed=1).about["sha256"] == first
    file = tmp_path / "train/cat/0.png"
    file.rename(tmp_path / "train/cat/a.png")
    renamed = read(tmp_path).about["sha256"]
    write(tmp_path, "train/cat/a.png")
    assert len({first, renamed, read(tmp_path).about["sha256"]}) == 3


def huge_png():
    """Return a PNG of 60 bytes that claims to have 30,000 by 30,000 pixels."""
    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def spoil(raw=None, name="train/dog/2.png"):
    return lambda root: write(root, name, raw=raw)


def empty(folder):
    def remove(root):
        for file in (root / folder).iterdir():
            file.unlink()

    return remove


def without(*folders):
    def remove(root):
        for folder in folders:
            shutil.rmtree(root / folder)

    return remove


FAULTS = [
    (spoil(b""), r"train/dog/2.png cannot be used: not an image"),
    (spoil(b"text"), r"train/dog/2.png cannot be used: not an image"),
    (spoil(huge_png()), r"train/dog/2.png cannot be used: .*decompression bomb"),
    (spoil(encoded(np.zeros((6, 6), "f4"), "TIFF")), r"cannot be used: mode F; expected 8 or 16"),
    (
        lambda root: write(root, "train/dog/2.png", np.zeros((6, 7), np.uint8)),
        r"test/cat/0.png has 6×6 pixels, \S+train/dog/2.png has 6×7; set size",
    ),
    (empty("train/dog"), r"train/dog holds no image"),
    (empty("test/dog"), r"test/dog holds no image"),
    (without("test/dog"), r"class 'dog' is in train but not in test"),
    (without("train/dog"), r"class 'dog' is in test but not in train"),
    (without("train/dog", "valid/dog", "test/dog"), r"has one class only, 'cat'; expected"),
    (without("train"), r"has test but not train; expected train/<class>/<image>"),
    (without("train", "valid", "test"), r"pets holds no image; expected"),
    (spoil(b"x", "train/x.png"), r"train/x.png is not in the folder of a class; expected"),
    (spoil(b"x", "train/cat/a/x.png"), r"train/cat/a/x.png is in a folder below a class"),
    (spoil(b"x", "train/cat/1/2/3/4/5/x.png"), r"4/5/x.png is in a folder below a class"),
    (spoil(b"x", "more/cat/x.png"), r"more/cat/x.png is not in the folder of a class"),
    (spoil(b"x", "val/cat/x.png"), r"val and valid are both the part valid"),
    (spoil(b"x", "Train/cat/x.png"), r"Train and train are both the part train"),
    (spoil(b"x", "train/cat/x.heic"), r"train/cat/x.heic cannot be used: not an image"),
    (
        lambda root: (root / "train/dog/2.png").symlink_to("gone"),
        r"train/dog/2.png cannot be read: No such file",
    ),
]


@pytest.mark.parametrize(("make", "message"), FAULTS)
def test_unusable_folders_are_named(tmp_path, make, message):
    fill(tmp_path / "pets")
    (tmp_path / "pets/train/dog/2.png").unlink()
    make(tmp_path / "pets")
    with pytest.raises(DataError, match=message) as error:
        read(tmp_path / "pets")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
def test_a_truncated_image_is_refused_wherever_it_ends(tmp_path, kind):
    fill(tmp_path, each=1)
    raw = encoded(pixels("long", shape=(16, 16, 3)), kind)
    # A JPEG or GIF may lack only its end marker, a PNG only its checksum.
    missing = {"PNG": 5, "JPEG": 3, "GIF": 3, "BMP": 2}.get(kind, 1)
    for length in [*range(1, len(raw) - missing, 23), len(raw) - missing]:
        write(tmp_path, "train/cat/1.png", raw=raw[:length])
        with pytest.raises(DataError, match=r"train/cat/1.png cannot be used: "):
            read(tmp_path, size=4)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere is missing: expected a folder or an archive"):
        read(tmp_path / "nowhere")


def test_a_class_of_one_image_is_named(tmp_path):
    fill(tmp_path, ())
    for i in range(3):
        (tmp_path / f"cat/{i}.png").unlink()
    with pytest.raises(DataError, match=r"class 'cat' has 1 image; .* test_share cuts from train"):
        read(tmp_path)


@pytest.mark.parametrize("key", ["valid_share", "test_share"])
def test_a_share_too_small_for_all_classes_is_named(tmp_path, key):
    with pytest.raises(DataError, match=rf"{key}: 0\.01 of \d+ images"):
        read(fill(tmp_path, ()), **{key: 0.01})
