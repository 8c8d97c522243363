"""The user's text: a file or a folder of files, lines, and missing parts."""

import pytest
from texts import read as read_text

from wpl_lab.data.data_files import DataError
from wpl_lab.data.parts import PARTS
from wpl_lab.data.text_files import find_text_files, read_text_files

SHARES = {"test": 0.1, "valid": 0.15}


@pytest.fixture
def folder(tmp_path):
    written = tmp_path / "written"
    written.mkdir()
    for part in PARTS:
        (written / f"{part}.txt").write_text(f"{part} a b\n\nc {part}\n")
    return written


def read(root, how="words"):
    return read_text_files(find_text_files(root), how, SHARES)


@pytest.mark.parametrize(
    "names",
    [
        ("train.txt", "valid.txt", "test.txt"),
        ("Train.TXT", "val.txt", "testing.txt"),
        ("training.txt", "validation.txt", "test.txt"),
        ("wiki.train.tokens", "wiki.valid.tokens", "wiki.test.tokens"),
        ("de_train.raw", "de_dev.raw", "de_test.raw"),
    ],
)
def test_files_are_found_by_the_part_in_their_names(folder, names):
    expected = read(folder)
    for old, new in zip(PARTS, names, strict=True):
        (folder / f"{old}.txt").rename(folder / new)
    (folder / "README.md").write_text("no text")
    assert read(folder) == expected


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (
            lambda f: (f / "train.txt").unlink(),
            r"text.root: \S+written holds no train.txt; expected",
        ),
        (lambda f: (f / "val.txt").write_text("x"), r"val.txt and valid.txt are both the part va"),
        (lambda f: (f / "test.txt").write_bytes(b""), r"test.txt holds no word"),
        (lambda f: (f / "test.txt").write_bytes(b" \n\n"), r"test.txt holds no word"),
        (lambda f: (f / "valid.txt").write_bytes(b"t\xe9"), r"valid.txt is not UTF-8: .* position"),
        (lambda f: (f / "test.txt").write_text("a", "utf-16"), r"test.txt is not UTF-8: "),
        (
            lambda f: (f / "train.txt").unlink() or (f / "train.txt").mkdir(),
            r"text.root: \S+train.txt cannot be read: Is a directory",
        ),
    ],
)
def test_unusable_texts_are_named(folder, break_it, message):
    break_it(folder)
    with pytest.raises(DataError, match=message):
        read(folder)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"text.root: \S+nowhere cannot be read: No such"):
        read_text("folder", tmp_path / "nowhere")


def test_a_byte_order_mark_is_not_a_word(folder):
    plain = read(folder)
    for part in PARTS:
        file = folder / f"{part}.txt"
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert read(folder) == plain


def test_only_line_feeds_and_carriage_returns_end_a_line(folder):
    (folder / "train.txt").write_bytes("a\nb\r\nc\rd\u2028e\u2029f\u0085g\fh\vi\x1cj\n".encode())
    for how in ("words", "given"):
        assert read(folder, how)["train"] == [("a",), ("b",), ("c",), tuple("defghij")]


def numbered(lines, each):
    """Return lines of distinct words."""
    return "\n".join(" ".join(f"w{i}x{j}" for j in range(each)) for i in range(lines)) + "\n"


@pytest.mark.parametrize(("lines", "each"), [(200, 9), (7, 300), (1, 1000)])
@pytest.mark.parametrize("given", [("train",), ("train", "test"), ("train", "valid")])
def test_missing_parts_are_split_off_from_the_end_of_train(tmp_path, lines, each, given):
    """Nothing is lost, duplicated or reordered, and shares are exact, also for one long line."""
    (tmp_path / "train.txt").write_text(numbered(lines, each))
    for part in given[1:]:
        (tmp_path / f"{part}.txt").write_text(f"{part} is here\n")
    parts = read(tmp_path)
    cut = [part for part in PARTS if part == "train" or part not in given]
    words = [word for part in cut for line in parts[part] for word in line]
    assert words == numbered(lines, each).split()
    for part in cut[1:]:
        size = sum(len(line) + 1 for line in parts[part])
        assert abs(size - SHARES[part] * lines * (each + 1)) <= 2
    for part in given[1:]:
        assert parts[part] == [(part, "is", "here")]


def test_a_single_file_is_a_folder_of_train(tmp_path):
    (tmp_path / "train.txt").write_text(numbered(50, 5))
    (tmp_path / "novel").write_text(numbered(50, 5))
    text, about = read_text("folder", tmp_path / "novel")
    same, _ = read_text("folder", tmp_path)
    assert text.words == same.words
    assert [len(getattr(text, part)) for part in PARTS] == [226, 45, 30]
    assert about["tokens"] == "words"


def test_a_text_too_short_to_be_split_is_named(tmp_path):
    (tmp_path / "novel.txt").write_text("a b c\n")
    with pytest.raises(
        DataError,
        match=r"text.test_share: 0.1, text.valid_share: 0.15 of 4 tokens: none is left for valid",
    ):
        read_text("folder", tmp_path / "novel.txt")
