"""Penn Treebank is downloaded, verified and read without changes."""

import hashlib
import http.server
import threading
from functools import partial

import pytest
from texts import read, words_of

from wpl_lab.data import text_treebank
from wpl_lab.data.data_files import DataError

TREEBANK = {
    "ptb.train.txt": b" the <unk> fell N \n the N n.v. rose \n",
    "ptb.valid.txt": b" the fell \n",
    "ptb.test.txt": b" a rose \n",
}


@pytest.fixture
def small_ptb(tmp_path, monkeypatch):
    """Serve the three files of Penn Treebank, but smaller, and patch the checksums."""
    served = tmp_path / "served"
    served.mkdir()
    for name, raw in TREEBANK.items():
        (served / name).write_bytes(raw)
    known = {name: hashlib.md5(raw).hexdigest() for name, raw in TREEBANK.items()}
    monkeypatch.setattr(text_treebank, "_PTB_FILES", known)
    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=served)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        monkeypatch.setattr(text_treebank, "_PTB_URL", f"http://127.0.0.1:{server.server_port}/")
        yield served
        server.shutdown()


def test_ptb_is_downloaded_once(small_ptb, tmp_path):
    text, about = read("ptb", tmp_path / "data")
    assert words_of(text, "train") == [
        "the",
        "<unk>",
        "fell",
        "N",
        "<eos>",
        "the",
        "N",
        "n.v.",
        "rose",
        "<eos>",
    ]
    assert " ".join(words_of(text, "test")) == "<unk> rose <eos>"
    assert about["source"] == "ptb"
    for file in small_ptb.iterdir():
        file.unlink()
    read("ptb", tmp_path / "data")
    assert sorted(p.name for p in (tmp_path / "data/ptb").iterdir()) == sorted(TREEBANK)


@pytest.mark.parametrize("where", ["data", "data/ptb"])
def test_ptb_from_a_folder(small_ptb, tmp_path, monkeypatch, where):
    monkeypatch.setattr(text_treebank, "_PTB_URL", "http://127.0.0.1:9/")
    (tmp_path / where).mkdir(parents=True)
    for name, raw in TREEBANK.items():
        (tmp_path / where / name).write_bytes(raw)
    text, _ = read("ptb", tmp_path / "data")
    assert text.words[:4] == ("<unk>", "<eos>", "N", "the")


def test_a_damaged_download_is_refused_and_leaves_nothing(small_ptb, tmp_path):
    (small_ptb / "ptb.valid.txt").write_bytes(b" the fel")
    with pytest.raises(DataError, match=r"ptb.valid.txt is missing and cannot be downloaded"):
        read("ptb", tmp_path / "data")
    assert [p.name for p in (tmp_path / "data/ptb").iterdir()] == ["ptb.train.txt"]


def test_a_damaged_file_of_ptb_is_named(small_ptb, tmp_path):
    read("ptb", tmp_path / "data")
    (tmp_path / "data/ptb/ptb.test.txt").write_bytes(b" a rose")
    with pytest.raises(DataError, match=r"ptb.test.txt: expected MD5 .* delete the file"):
        read("ptb", tmp_path / "data")


def test_without_a_network_the_error_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(text_treebank, "_PTB_URL", "http://127.0.0.1:9/")
    with pytest.raises(
        DataError, match=r"ptb.train.txt is missing and cannot be downloaded .* set text.root"
    ):
        read("ptb", tmp_path)


def test_a_file_that_the_server_lacks_is_named(small_ptb, tmp_path):
    (small_ptb / "ptb.train.txt").unlink()
    with pytest.raises(DataError, match=r"ptb.train.txt is missing .*404"):
        read("ptb", tmp_path / "data")
