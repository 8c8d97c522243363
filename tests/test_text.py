"""Where text comes from, how it is cut and numbered, and what is said when it is not there."""

import hashlib
import http.server
import platform
import threading
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
import torch

from wpl_lab.data import text_sources
from wpl_lab.data.data_files import DataError
from wpl_lab.data.text import PARTS, Text, load_text, save_text
from wpl_lab.data.text_sources import read_text, tokens
from wpl_lab.io.artifact import ArtifactError, save_tensors

HOW = {"vocabulary": 1000, "valid_share": 0.15, "test_share": 0.1, "seed": 0}


@pytest.fixture(scope="module")
def manual():
    return read_text("manual", root=Path("unused"), **HOW)


def spoken(text, part):
    return [text.words[i] for i in getattr(text, part).tolist()]


def sentences(text, part):
    """Sentences of one part, as tuples of words."""
    lines = " ".join(spoken(text, part)).split("<eos>")
    assert not lines.pop(), "the last word is <eos>"
    return [tuple(line.split()) for line in lines]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("It's Python’s own, so.", ["it's", "python’s", "own", ",", "so", "."]),
        ('a = __add__(b)  # "c"', ["a", "=", "__add__", "(", "b", ")", "#", '"', "c", '"']),
        ("Title\n*****", ["title"]),
        ("ein <unk> Übermaß...", ["ein", "<unk>", "übermaß", ".", ".", "."]),
        ("well-known 'x'", ["well", "-", "known", "'", "x", "'"]),
        (" \t", []),
    ],
)
def test_words_and_marks_are_tokens(line, expected):
    assert list(tokens(line)) == expected


def test_the_manual_is_split_without_overlap_or_loss():
    everything, about = read_text("manual", root=Path("unused"), **HOW | {"vocabulary": 10**6})
    parts = {part: sentences(everything, part) for part in PARTS}
    # Words that only stand outside of the training part are unknown; train alone is whole.
    assert len(set(parts["train"])) == len(parts["train"]), "no paragraph stands there twice"
    for part in ("valid", "test"):
        assert not set(parts["train"]) & set(parts[part])
    from pydoc_data.topics import topics

    paragraphs = {tokens(block) for text in topics.values() for block in text.split("\n\n")}
    assert set(parts["train"]) <= paragraphs
    assert sum(map(len, parts.values())) == len(paragraphs - {()})
    assert about["python"] == platform.python_version()
    assert len(about["sha256"]) == 64


@pytest.mark.parametrize("seed", range(5))
def test_parts_have_their_shares(seed):
    text, _ = read_text("manual", root=Path("unused"), **HOW | {"seed": seed})
    sizes = {part: len(getattr(text, part)) for part in PARTS}
    total = sum(sizes.values())
    assert total > 50_000
    for part, share in (("valid", 0.15), ("test", 0.1)):
        assert share - 0.01 < sizes[part] / total <= share


def test_the_split_depends_on_its_seed_only(manual):
    text, _ = manual
    again, _ = read_text("manual", root=Path("elsewhere"), **HOW)
    other, _ = read_text("manual", root=Path("unused"), **HOW | {"seed": 1})
    assert again.words == text.words
    assert all(torch.equal(getattr(again, part), getattr(text, part)) for part in PARTS)
    assert not torch.equal(other.test, text.test)


def test_the_vocabulary_is_of_the_training_part(folder):
    text, _ = read_text("folder", root=folder, **HOW | {"vocabulary": 5})
    # Counts: <eos> 3, b 3, a 2, c 2, z 1; of a and c the alphabet decides, z is left out.
    assert text.words == ("<unk>", "<eos>", "b", "a", "c")
    assert spoken(text, "train") == [
        "b",
        "a",
        "b",
        "<eos>",
        "c",
        "<unk>",
        "c",
        "a",
        "<eos>",
        "b",
        "<eos>",
    ]
    assert " ".join(spoken(text, "valid")) == "a <unk> <unk> <eos>"
    assert " ".join(spoken(text, "test")) == "<unk> <unk> <eos>"
    assert all(getattr(text, part).dtype == torch.int64 for part in PARTS)


def test_the_vocabulary_holds_the_most_frequent_words(manual):
    text, _ = manual
    assert len(text.words) == len(set(text.words)) == 1000
    everything, _ = read_text("manual", root=Path("unused"), **HOW | {"vocabulary": 10**6})
    counts = Counter(spoken(everything, "train"))
    assert text.words == everything.words[:1000], "a larger vocabulary only adds words"
    ranked = [(-counts[word], word) for word in everything.words[1:]]
    assert ranked == sorted(ranked)
    known = sum(counts[word] for word in text.words)
    assert (text.train == 0).sum() == len(text.train) - known
    assert 0.01 < (text.valid == 0).double().mean() < 0.25, "unknown words are rare"


@pytest.fixture
def folder(tmp_path):
    written = tmp_path / "written"
    written.mkdir()
    (written / "train.txt").write_text("B a b\n\nc Z c a\nb\n")
    (written / "valid.txt").write_text("a q q\n")
    (written / "test.txt").write_text("z <unk>")
    return written


def test_text_comes_back_from_its_file(manual, tmp_path):
    text, about = manual
    save_text(tmp_path / "text.safetensors", text, **about)
    found, found_about = load_text(tmp_path / "text.safetensors")
    assert found.words == text.words
    for part in PARTS:
        assert getattr(found, part).dtype == torch.int64
        assert torch.equal(getattr(found, part), getattr(text, part))
    assert found_about.items() >= about.items()


def test_every_word_comes_back(tmp_path):
    few = torch.arange(3)
    words = ("<unk>", "naïve", "’")
    save_text(tmp_path / "text.safetensors", Text(few, few, few, words))
    assert load_text(tmp_path / "text.safetensors")[0].words == words


def test_another_kind_of_file_is_refused(tmp_path):
    save_tensors(tmp_path / "images.safetensors", "images", {"train": torch.ones(1)})
    with pytest.raises(ArtifactError, match="expected kind 'text', found 'images'"):
        load_text(tmp_path / "images.safetensors")


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"text.root: \S+{part}.txt cannot be read: No such file"),
        (b"", r"{part}.txt holds no word"),
        (b" \n\n", r"{part}.txt holds no word"),
        (b"t\xe9", r"{part}.txt is not UTF-8: .* position 1"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(folder, part, content, message):
    file = folder / f"{part}.txt"
    file.unlink() if content is None else file.write_bytes(content)
    with pytest.raises(DataError, match=message.format(part=part)):
        read_text("folder", root=folder, **HOW)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"text.root: \S+nowhere/train.txt cannot be read: No such"):
        read_text("folder", root=tmp_path / "nowhere", **HOW)


def test_a_byte_order_mark_is_no_word(folder):
    plain, _ = read_text("folder", root=folder, **HOW)
    for part in PARTS:
        file = folder / f"{part}.txt"
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert read_text("folder", root=folder, **HOW)[0].words == plain.words


def test_an_unknown_source_is_named():
    with pytest.raises(DataError, match="no text source 'ptp'; known are manual, ptb, folder"):
        read_text("ptp", root=Path("unused"), **HOW)


@pytest.mark.parametrize(
    ("shares", "part"),
    [
        ({"valid_share": 0.0001}, "valid"),
        ({"test_share": 0.0001}, "test"),
        ({"valid_share": 0.001, "test_share": 1.0}, "train"),
    ],
)
def test_shares_that_leave_a_part_empty_are_named(shares, part):
    with pytest.raises(
        DataError, match=rf"text.test_share: .*text.valid_share: .*not one topic is left for {part}"
    ):
        read_text("manual", root=Path("unused"), **HOW | shares)


TREEBANK = {
    "ptb.train.txt": b" the <unk> fell N \n the N n.v. rose \n",
    "ptb.valid.txt": b" the fell \n",
    "ptb.test.txt": b" a rose \n",
}


@pytest.fixture
def small_ptb(tmp_path, monkeypatch):
    """A server that holds Penn Treebank's three files, smaller, with checksums to match."""
    served = tmp_path / "served"
    served.mkdir()
    for name, raw in TREEBANK.items():
        (served / name).write_bytes(raw)
    known = {name: hashlib.md5(raw).hexdigest() for name, raw in TREEBANK.items()}
    monkeypatch.setattr(text_sources, "_PTB_FILES", known)
    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=served)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        monkeypatch.setattr(text_sources, "_PTB_URL", f"http://127.0.0.1:{server.server_port}/")
        yield served
        server.shutdown()


def test_ptb_is_downloaded_once(small_ptb, tmp_path):
    text, about = read_text("ptb", root=tmp_path / "data", **HOW)
    assert spoken(text, "train") == [
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
    assert " ".join(spoken(text, "test")) == "<unk> rose <eos>"
    assert about["source"] == "ptb"
    for file in small_ptb.iterdir():
        file.unlink()
    read_text("ptb", root=tmp_path / "data", **HOW)
    assert sorted(p.name for p in (tmp_path / "data/ptb").iterdir()) == sorted(TREEBANK)


@pytest.mark.parametrize("where", ["data", "data/ptb"])
def test_ptb_from_a_folder(small_ptb, tmp_path, monkeypatch, where):
    monkeypatch.setattr(text_sources, "_PTB_URL", "http://127.0.0.1:9/")
    (tmp_path / where).mkdir(parents=True)
    for name, raw in TREEBANK.items():
        (tmp_path / where / name).write_bytes(raw)
    text, _ = read_text("ptb", root=tmp_path / "data", **HOW)
    assert text.words[:4] == ("<unk>", "<eos>", "N", "the")


def test_a_damaged_download_is_refused_and_leaves_nothing(small_ptb, tmp_path):
    (small_ptb / "ptb.valid.txt").write_bytes(b" the fel")
    with pytest.raises(DataError, match=r"ptb.valid.txt is missing and cannot be downloaded"):
        read_text("ptb", root=tmp_path / "data", **HOW)
    assert [p.name for p in (tmp_path / "data/ptb").iterdir()] == ["ptb.train.txt"]


def test_a_damaged_file_of_ptb_is_named(small_ptb, tmp_path):
    read_text("ptb", root=tmp_path / "data", **HOW)
    (tmp_path / "data/ptb/ptb.test.txt").write_bytes(b" a rose")
    with pytest.raises(DataError, match=r"ptb.test.txt: expected MD5 .* delete the file"):
        read_text("ptb", root=tmp_path / "data", **HOW)


def test_no_network_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(text_sources, "_PTB_URL", "http://127.0.0.1:9/")
    with pytest.raises(
        DataError, match=r"ptb.train.txt is missing and cannot be downloaded .* set text.root"
    ):
        read_text("ptb", root=tmp_path, **HOW)


def test_a_file_that_the_server_lacks_is_named(small_ptb, tmp_path):
    (small_ptb / "ptb.train.txt").unlink()
    with pytest.raises(DataError, match=r"ptb.train.txt is missing .*404"):
        read_text("ptb", root=tmp_path / "data", **HOW)
