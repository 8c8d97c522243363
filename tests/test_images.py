"""Where images come from, how they are split, and what is said when they are not there."""

import gzip
import hashlib
import http.server
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.datasets import MNIST

from wpl import image_downloads
from wpl.data_files import DataError
from wpl.image_sources import read_images
from wpl.images import PARTS, load_images, save_images

SPLIT = {"valid_share": 0.1, "test_share": 0.2, "seed": 0}


@pytest.fixture(scope="module")
def digits():
    return read_images("digits", root=Path("unused"), **SPLIT)


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


def test_the_split_depends_on_its_seed_only(digits):
    again = read_images("digits", root=Path("elsewhere"), **SPLIT)
    other = read_images("digits", root=Path("unused"), **SPLIT | {"seed": 1})
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


def test_images_come_back_from_their_file(digits, tmp_path):
    save_images(tmp_path / "images.safetensors", digits)
    found = load_images(tmp_path / "images.safetensors")
    for part in PARTS:
        assert torch.equal(found.pixels[part], digits.pixels[part])
        assert torch.equal(found.labels[part], digits.labels[part])
    assert found.about["source"] == "digits"


def idx(array):
    """The file format of MNIST: magic number, shape, bytes."""
    head = bytes([0, 0, 8, array.ndim])
    return head + b"".join(n.to_bytes(4) for n in array.shape) + array.tobytes()


@pytest.fixture
def small_mnist(tmp_path, monkeypatch):
    """A server that holds MNIST's four archives, smaller, with checksums to match."""
    rng = np.random.default_rng(0)
    content = {}
    for part, count in (("train", 200), ("t10k", 50)):
        content[f"{part}-images-idx3-ubyte"] = idx(
            rng.integers(256, size=(count, 28, 28), dtype="u1")
        )
        content[f"{part}-labels-idx1-ubyte"] = idx((np.arange(count) % 10).astype("u1"))
    served = tmp_path / "served"
    served.mkdir()
    archives = []
    for name, raw in content.items():
        archive = gzip.compress(raw, mtime=0)
        (served / f"{name}.gz").write_bytes(archive)
        archives.append((f"{name}.gz", hashlib.md5(archive).hexdigest()))
    known = {name: hashlib.md5(raw).hexdigest() for name, raw in content.items()}
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=served)
    handler.log_message = lambda *_: None
    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(MNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
        monkeypatch.setattr(MNIST, "resources", archives)
        monkeypatch.setitem(image_downloads._UNPACKED, "MNIST", known)
        yield served, content
        server.shutdown()


def test_mnist_is_downloaded_once(small_mnist, tmp_path):
    served, content = small_mnist
    images = read_images("mnist", root=tmp_path / "data", **SPLIT)
    assert [len(images.labels[p]) for p in PARTS] == [180, 20, 50]
    assert images.pixels["test"].shape == (50, 1, 28, 28)
    raw = content["t10k-images-idx3-ubyte"][16:]
    assert images.pixels["test"].numpy().tobytes() == raw
    for archive in served.iterdir():
        archive.unlink()
    read_images("mnist", root=tmp_path / "data", **SPLIT)


def test_mnist_from_a_folder_of_unpacked_files(small_mnist, tmp_path, monkeypatch):
    _, content = small_mnist
    monkeypatch.setattr(MNIST, "mirrors", [])
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, bytes_ in content.items():
        (raw / name).write_bytes(bytes_)
    assert read_images("mnist", root=tmp_path / "data", **SPLIT).classes == 10


def test_a_damaged_download_is_refused(small_mnist, tmp_path):
    served, _ = small_mnist
    archive = served / "t10k-labels-idx1-ubyte.gz"
    archive.write_bytes(archive.read_bytes()[:-1] + b"\1")
    with pytest.raises(DataError, match="cannot be downloaded"):
        read_images("mnist", root=tmp_path / "data", **SPLIT)


@pytest.mark.parametrize("spoil", [lambda raw: raw[:-1], lambda raw: raw[:-1] + b"\x07"])
def test_a_damaged_file_is_named(small_mnist, tmp_path, spoil):
    read_images("mnist", root=tmp_path / "data", **SPLIT)
    file = tmp_path / "data/MNIST/raw/t10k-labels-idx1-ubyte"
    file.write_bytes(spoil(file.read_bytes()))
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte: expected MD5"):
        read_images("mnist", root=tmp_path / "data", **SPLIT)


def test_an_unknown_source_is_named():
    with pytest.raises(
        DataError,
        match="no data source 'minst'; known are digits, mnist, fashion_mnist, cifar10, folder",
    ):
        read_images("minst", root=Path("unused"), **SPLIT)


@pytest.mark.parametrize("key", ["valid_share", "test_share"])
def test_a_share_too_small_for_all_classes_is_named(key):
    with pytest.raises(DataError, match=rf"{key}: 0\.001 of \d+ images"):
        read_images("digits", root=Path("unused"), **SPLIT | {key: 0.001})


def test_no_network_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(MNIST, "mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(DataError, match=r"is missing and cannot be downloaded .* set root"):
        read_images("mnist", root=tmp_path, **SPLIT)
