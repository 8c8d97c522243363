"""Downloaded data sets are verified, read without unpickling, and named if they are damaged."""

import gzip
import hashlib
import http.server
import io
import tarfile
import threading
from functools import partial

import numpy as np
import pytest
import torch
from image_folders import read

from wpl_lab.data import image_downloads
from wpl_lab.data.data_files import DataError
from wpl_lab.data.parts import PARTS

IDX = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serve the files of a folder; return the folder and the address."""
    served = tmp_path / "served"
    served.mkdir()
    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=served)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, args=[0.01], daemon=True).start()
        yield served, f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()


def md5(raw):
    return hashlib.md5(raw).hexdigest()


def idx(array):
    """Encode the file format of MNIST: magic number, shape, bytes."""
    head = bytes([0, 0, 8, array.ndim])
    return head + b"".join(n.to_bytes(4) for n in array.shape) + array.tobytes()


@pytest.fixture(params=IDX)
def small_mnist(request, server, monkeypatch):
    """Write four archives as of MNIST, but smaller, and patch the checksums."""
    served, address = server
    rng = np.random.default_rng(0)
    content = {}
    for part, count in (("train", 200), ("t10k", 50)):
        shape = (count, 28, 28)
        content[f"{part}-images-idx3-ubyte"] = idx(rng.integers(256, size=shape, dtype="u1"))
        content[f"{part}-labels-idx1-ubyte"] = idx((np.arange(count) % 10).astype("u1"))
    archives = []
    for name, raw in content.items():
        archive = gzip.compress(raw, mtime=0)
        (served / f"{name}.gz").write_bytes(archive)
        archives.append((f"{name}.gz", md5(archive)))
    name = IDX[request.param]
    monkeypatch.setattr(f"torchvision.datasets.{name}.mirrors", ["http://127.0.0.1:9/", address])
    monkeypatch.setattr(f"torchvision.datasets.{name}.resources", archives)
    known = {file: md5(raw) for file, raw in content.items()}
    monkeypatch.setitem(image_downloads._UNPACKED, name, known)
    return request.param, served, content


def test_mnist_is_downloaded_once(small_mnist, tmp_path):
    source, served, content = small_mnist
    images = read(source, tmp_path / "data")
    assert [len(images.labels[p]) for p in PARTS] == [180, 20, 50]
    assert images.pixels["test"].shape == (50, 1, 28, 28)
    raw = content["t10k-images-idx3-ubyte"][16:]
    assert images.pixels["test"].numpy().tobytes() == raw
    assert images.labels["test"].tolist() == [i % 10 for i in range(50)]
    for archive in served.iterdir():
        archive.unlink()
    read(source, tmp_path / "data")


def test_mnist_from_a_folder_of_unpacked_files(small_mnist, tmp_path, monkeypatch):
    source, served, content = small_mnist
    for archive in served.iterdir():
        archive.unlink()
    raw = tmp_path / "data" / IDX[source] / "raw"
    raw.mkdir(parents=True)
    for name, bytes_ in content.items():
        (raw / name).write_bytes(bytes_)
    assert read(source, tmp_path / "data").classes == 10


def test_pickles_of_older_torchvision_versions_are_not_read(small_mnist, tmp_path):
    source, *_ = small_mnist
    processed = tmp_path / "data" / IDX[source] / "processed"
    processed.mkdir(parents=True)
    for name in ("training.pt", "test.pt"):
        torch.save((torch.zeros(3, 28, 28), torch.zeros(3)), processed / name)
    images = read(source, tmp_path / "data")
    assert len(images.labels["test"]) == 50


def test_images_of_a_data_set_are_resized(small_mnist, tmp_path):
    source, *_ = small_mnist
    images = read(source, tmp_path / "data", size=7)
    assert images.pixels["train"].shape == (180, 1, 7, 7)
    whole = read(source, tmp_path / "data").pixels["test"].double()
    smaller = images.pixels["test"].double()
    assert (smaller.mean((2, 3)) - whole.mean((2, 3))).abs().max() < 3
    assert smaller.std() < whole.std() / 2, "resizing averages the noise"


def test_a_damaged_download_is_refused(small_mnist, tmp_path):
    source, served, _ = small_mnist
    archive = served / "t10k-labels-idx1-ubyte.gz"
    archive.write_bytes(archive.read_bytes()[:-1] + b"\1")
    with pytest.raises(DataError, match=r"labels-idx1-ubyte.gz is missing and cannot be downl"):
        read(source, tmp_path / "data")
    assert not (tmp_path / "data" / IDX[source] / "raw" / archive.name).exists()


@pytest.mark.parametrize("spoil", [lambda raw: raw[:-1], lambda raw: raw[:-1] + b"\x07"])
def test_a_damaged_file_is_named(small_mnist, tmp_path, spoil):
    source, *_ = small_mnist
    read(source, tmp_path / "data")
    file = tmp_path / "data" / IDX[source] / "raw/t10k-labels-idx1-ubyte"
    file.write_bytes(spoil(file.read_bytes()))
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte: expected MD5"):
        read(source, tmp_path / "data")


def test_a_damaged_archive_is_named(small_mnist, tmp_path):
    source, served, _ = small_mnist
    raw = tmp_path / "data" / IDX[source] / "raw"
    raw.mkdir(parents=True)
    content = (served / "t10k-labels-idx1-ubyte.gz").read_bytes()
    (raw / "t10k-labels-idx1-ubyte.gz").write_bytes(content[:-9])
    with pytest.raises(DataError, match=r"labels-idx1-ubyte.gz is damaged: .*; delete the file"):
        read(source, tmp_path / "data")


@pytest.mark.parametrize("source", IDX)
def test_without_a_network_the_error_says_what_to_do(tmp_path, monkeypatch, source):
    monkeypatch.setattr(f"torchvision.datasets.{IDX[source]}.mirrors", ["http://127.0.0.1:9/"])
    expected = rf"is missing and cannot be downloaded .* set root to .* {IDX[source]}/raw"
    with pytest.raises(DataError, match=expected):
        read(source, tmp_path)


def cifar10(path, *, each=20):
    """Write an archive in the format of CIFAR-10: a label and 3 × 32 × 32 bytes per image."""
    random = np.random.default_rng(0)
    records = {}
    with tarfile.open(path, "w:gz") as archive:
        for file in [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]:
            record = random.integers(256, size=(each, 3073), dtype="u1")
            record[:, 0] = np.arange(each) % 10
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{file}")
            info.size = record.nbytes
            archive.addfile(info, io.BytesIO(record.tobytes()))
            records[file] = record
        archive.addfile(tarfile.TarInfo("cifar-10-batches-bin/readme.html"))
    return records


@pytest.fixture
def small_cifar10(server, monkeypatch):
    served, address = server
    archive = served / "cifar-10-binary.tar.gz"
    records = cifar10(archive)
    monkeypatch.setattr(image_downloads, "_CIFAR10_URL", address + archive.name)
    monkeypatch.setattr(image_downloads, "_CIFAR10_MD5", md5(archive.read_bytes()))
    return archive, records


def test_cifar10_is_downloaded_once(small_cifar10, tmp_path):
    archive, records = small_cifar10
    images = read("cifar10", tmp_path / "data")
    assert [len(images.labels[p]) for p in PARTS] == [90, 10, 20]
    test = records["test_batch.bin"]
    assert np.array_equal(images.pixels["test"].numpy().reshape(20, -1), test[:, 1:])
    assert images.labels["test"].tolist() == test[:, 0].tolist()
    both = torch.cat([images.pixels[p] for p in ("train", "valid")]).flatten(1).numpy()
    batches = np.concatenate([records[f"data_batch_{i}.bin"] for i in range(1, 6)])
    assert sorted(map(bytes, both)) == sorted(map(bytes, batches[:, 1:]))
    archive.unlink()
    read("cifar10", tmp_path / "data")
    assert [p.name for p in (tmp_path / "data").iterdir()] == [archive.name], "nothing is unpacked"


def test_a_damaged_cifar10_is_named(small_cifar10, tmp_path):
    archive, _ = small_cifar10
    (tmp_path / archive.name).write_bytes(archive.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"cifar-10-binary.tar.gz: expected MD5 \w+, found \w+"):
        read("cifar10", tmp_path)


def test_without_a_network_the_error_of_cifar10_says_what_to_do(tmp_path, monkeypatch):
    address = "http://127.0.0.1:9/cifar-10-binary.tar.gz"
    monkeypatch.setattr(image_downloads, "_CIFAR10_URL", address)
    expected = r"cannot be downloaded .* set root to the folder of cifar-10-binary.tar.gz"
    with pytest.raises(DataError, match=expected):
        read("cifar10", tmp_path)
