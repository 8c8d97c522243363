"""Sources of text, the split, the vocabulary, and errors about missing texts."""

import platform
from collections import Counter

import pytest
import torch
from texts import read, words_of

from wpl_lab.data.data_files import DataError
from wpl_lab.data.parts import PARTS
from wpl_lab.data.text import Text, load_text, save_text
from wpl_lab.data.text_tokens import tokens
from wpl_lab.io.artifact import ArtifactError, save_tensors


@pytest.fixture(scope="module")
def manual():
    return read("manual")


def sentences(text, part):
    """Return the sentences of a part, as tuples of words."""
    lines = " ".join(words_of(text, part)).split("<eos>")
    assert not lines.pop(), "the last word is <eos>"
    return [tuple(line.split()) for line in lines]


def test_the_manual_is_split_without_overlap_or_loss():
    everything, about = read("manual", vocabulary=10**6)
    parts = {part: sentences(everything, part) for part in PARTS}
    # Words that do not occur in the training part are unknown; only train has all of its words.
    assert len(set(parts["train"])) == len(parts["train"]), "every paragraph occurs once"
    for part in ("valid", "test"):
        assert not set(parts["train"]) & set(parts[part])
    from pydoc_data.topics import topics

    paragraphs = {tokens(block) for text in topics.values() for block in text.split("\n\n")}
    assert set(parts["train"]) <= paragraphs
    assert sum(map(len, parts.values())) == len(paragraphs - {()})
    assert about["tokens"] == "words"
    assert about["python"] == platform.python_version()
    assert len(about["sha256"]) == 64


@pytest.mark.parametrize("seed", range(5))
def test_parts_have_their_shares(seed):
    text, _ = read("manual", seed=seed)
    sizes = {part: len(getattr(text, part)) for part in PARTS}
    total = sum(sizes.values())
    assert total > 50_000
    for part, share in (("valid", 0.15), ("test", 0.1)):
        assert share - 0.01 < sizes[part] / total <= share


def test_the_split_depends_only_on_its_seed(manual):
    text, _ = manual
    again, _ = read("manual", "elsewhere")
    other, _ = read("manual", seed=1)
    assert again.words == text.words
    assert all(torch.equal(getattr(again, part), getattr(text, part)) for part in PARTS)
    assert not torch.equal(other.test, text.test)


def test_the_vocabulary_is_that_of_the_training_part(folder):
    text, _ = read("folder", folder, vocabulary=5)
    # Counts: <eos> 3, b 3, a 2, c 2, z 1; a precedes c by the alphabet, and z is left out.
    assert text.words == ("<unk>", "<eos>", "b", "a", "c")
    assert words_of(text, "train") == [
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
    assert " ".join(words_of(text, "valid")) == "a <unk> <unk> <eos>"
    assert " ".join(words_of(text, "test")) == "<unk> <unk> <eos>"
    assert all(getattr(text, part).dtype == torch.int64 for part in PARTS)


def test_the_vocabulary_has_the_most_frequent_words(manual):
    text, _ = manual
    assert len(text.words) == len(set(text.words)) == 1000
    everything, _ = read("manual", vocabulary=10**6)
    counts = Counter(words_of(everything, "train"))
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


def test_a_text_is_read_back_from_its_file(manual, tmp_path):
    text, about = manual
    save_text(tmp_path / "text.safetensors", text, **about)
    found, found_about = load_text(tmp_path / "text.safetensors")
    assert found.words == text.words
    for part in PARTS:
        assert getattr(found, part).dtype == torch.int64
        assert torch.equal(getattr(found, part), getattr(text, part))
    assert found_about.items() >= about.items()


def test_every_word_is_read_back(tmp_path):
    few = torch.arange(3)
    words = ("<unk>", "naïve", "’")
    save_text(tmp_path / "text.safetensors", Text(few, few, few, words))
    assert load_text(tmp_path / "text.safetensors")[0].words == words


def test_another_kind_of_file_is_refused(tmp_path):
    save_tensors(tmp_path / "images.safetensors", "images", {"train": torch.ones(1)})
    with pytest.raises(ArtifactError, match="expected kind 'text', found 'images'"):
        load_text(tmp_path / "images.safetensors")


def test_an_unknown_source_is_named():
    with pytest.raises(DataError, match="no text source 'ptp'; known are manual, ptb, folder"):
        read("ptp")


@pytest.mark.parametrize(
    ("shares", "part"),
    [({"valid_share": 0.0001}, "valid"), ({"test_share": 0.0001}, "test")],
)
def test_shares_that_leave_a_part_empty_are_named(shares, part):
    with pytest.raises(
        DataError, match=rf"text.test_share: .*text.valid_share: .*not one topic is left for {part}"
    ):
        read("manual", **shares)
