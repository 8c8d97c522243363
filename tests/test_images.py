"""Sources of images, their split, and errors about missing ones."""

from pathlib import Path

import numpy as np
import pytest
import torch
from image_folders import read

from wpl_lab.data.data_files import DataError
from wpl_lab.data.images import Images, load_images, save_images
from wpl_lab.data.parts import PARTS


@pytest.fixture(scope="module")
def digits():
    return read("digits", "unused")


def test_digits_are_split_without_overlap_or_loss(digits):
    rows = torch.cat([digits.pixels[p].flatten(1) for p in PARTS])
    assert len(rows) == 1797
    from sklearn.datasets import load_digits

    everything = load_digits().data.astype(np.uint8)
    assert sorted(map(bytes, rows.numpy())) == sorted(map(bytes, everything))
    assert [len(digits.labels[p]) for p in PARTS] == [1293, 144, 360]


def test_classes_have_the_same_share_in_every_part(digits):
    shares = [digits.labels[p].bincount().double() / len(digits.labels[p]) for p in PARTS]
    assert digits.classes == 10
    for share in shares:
        assert (share - shares[0]).abs().max() < 0.01


def test_the_split_depends_only_on_its_seed(digits):
    again = read("digits", "elsewhere")
    other = read("digits", "unused", seed=1)
    assert all(torch.equal(again.pixels[p], digits.pixels[p]) for p in PARTS)
    assert not torch.equal(other.pixels["test"], digits.pixels["test"])


def test_pixels_are_standardised_by_the_training_part(digits):
    train, _ = digits.flat("train")
    test, labels = digits.flat("test")
    assert abs(train.mean()) < 1e-5
    assert train.std().item() == pytest.approx(1, abs=1e-4)
    raw = digits.pixels["train"].double()
    expected = (digits.pixels["test"][3].flatten().double() - raw.mean()) / raw.std()
    torch.testing.assert_close(test[3].double(), expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(labels, digits.labels["test"])


def test_images_are_read_back_from_their_file(digits, tmp_path):
    save_images(tmp_path / "images.safetensors", digits)
    found = load_images(tmp_path / "images.safetensors")
    for part in PARTS:
        assert torch.equal(found.pixels[part], digits.pixels[part])
        assert torch.equal(found.labels[part], digits.labels[part])
    assert found.about["source"] == "digits"


def test_the_scale_is_that_of_the_training_part_exactly():
    """It is compared with double precision; a constant channel does not divide by zero."""
    random = np.random.default_rng(0)
    train = random.integers(256, size=(700, 3, 9, 5), dtype="u1")
    train[:, 1] = 255
    pixels = {part: torch.from_numpy(train) for part in PARTS}
    pixels["test"] = torch.zeros_like(pixels["test"])
    images = Images(pixels, {part: torch.arange(700) for part in PARTS}, {})
    mean, deviation = images.scale
    exact = train.astype(np.float64)
    assert np.array_equal(mean.numpy(), exact.mean((0, 2, 3)).astype(np.float32))
    expected = exact.std((0, 2, 3), ddof=1).astype(np.float32)
    np.testing.assert_allclose(deviation[[0, 2]], expected[[0, 2]], rtol=1e-7)
    assert deviation[1] == 1
    assert images.flat("train")[0].isfinite().all()


def test_the_scale_of_many_images_is_exact():
    """The sums, over several chunks, are too large for exact single precision."""
    pixels = torch.full((3000, 1, 80, 80), 255, dtype=torch.uint8)
    pixels[0, 0, 0, 0] = 0
    images = Images({"train": pixels}, {}, {})
    n = pixels.numel()
    assert images.scale[0].item() == np.float32(255 - 255 / n)
    assert images.scale[1].item() == np.float32(255 / n**0.5)


def test_pixels_are_memory_mapped(digits, tmp_path):
    path = tmp_path / "images.safetensors"
    save_images(path, digits)
    found = load_images(path)
    maps = [line for line in Path("/proc/self/maps").read_text().splitlines() if str(path) in line]
    spans = [[int(end, 16) for end in line.split()[0].split("-")] for line in maps]
    for part in PARTS:
        address = found.pixels[part].data_ptr()
        assert any(start <= address < end for start, end in spans)
    before = path.read_bytes()
    found.pixels["train"][0] = 99
    assert path.read_bytes() == before, "writing does not change the file"


def test_an_unknown_source_is_named():
    with pytest.raises(
        DataError,
        match="no data source 'minst'; known are digits, mnist, fashion_mnist, cifar10, folder",
    ):
        read("minst", "unused")


@pytest.mark.parametrize("key", ["valid_share", "test_share"])
def test_a_share_too_small_for_all_classes_is_named(key):
    with pytest.raises(DataError, match=rf"{key}: 0\.001 of \d+ images"):
        read("digits", "unused", **{key: 0.001})
