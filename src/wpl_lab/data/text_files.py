"""Text of your own: one file, or a folder with a file for each part."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from wpl_lab.data.data_files import DataError
from wpl_lab.data.data_settings import Tokens
from wpl_lab.data.parts import PARTS, Part, part_of
from wpl_lab.data.text_tokens import Line, count, tokens

_LAYOUT = "expected a text file, or a folder with train.txt, optionally valid.txt and test.txt"
_SUFFIXES = {".txt", ".text", ".tokens", ".raw"}


def find_text_files(root: Path) -> dict[Part, Path]:
    """Find the text files in a folder by the part in their names, such as ``wiki.valid.tokens``.

    Args:
        root: The folder; or a text file, all of which is train.

    Returns:
        The file of each part that exists.

    Raises:
        DataError: If there is no such folder, it has no training part, or two files are the same
            part.
    """
    if root.is_file():
        return {"train": root}
    try:
        inside = sorted(file for file in root.iterdir() if file.suffix.lower() in _SUFFIXES)
    except OSError as error:
        raise DataError(f"text.root: {root} cannot be read: {error.strerror}; {_LAYOUT}") from error
    files: dict[Part, Path] = {}
    for file in inside:
        for word in re.split(r"[._-]", file.stem):
            part = part_of(word)
            if part is None:
                continue
            if part in files and files[part] != file:
                raise DataError(
                    f"text.root: {files[part]} and {file.name} are both the part {part}"
                )
            files[part] = file
    if "train" not in files:
        raise DataError(f"text.root: {root} holds no train.txt; {_LAYOUT}")
    return files


def read_text_files(
    files: Mapping[Part, Path], how: Tokens, shares: Mapping[Part, float]
) -> dict[Part, list[Line]]:
    r"""Read text files, and split missing parts off the end of train, test last.

    Lines end with ``\n``, ``\r\n`` or ``\r``, not with the other line ends of Unicode. Empty lines
    are left out.

    Args:
        files: The file of each part.
        how: How lines are tokenised.
        shares: For each missing part, its share of the tokens of train.

    Returns:
        Lines by part.

    Raises:
        DataError: If a file cannot be read, is not UTF-8 or has no word; if a share leaves a part
            empty.
    """
    parts = {part: _lines(file, how) for part, file in files.items()}
    lines, total = parts["train"], count(parts["train"])
    for part in reversed(PARTS):
        if part not in parts:
            size = round(shares[part] * total)
            lines, parts[part] = _cut(lines, count(lines) - size)
    parts["train"] = lines
    for part in PARTS:
        if not any(parts[part]):
            given = ", ".join(f"text.{name}_share: {share}" for name, share in shares.items())
            raise DataError(f"{given} of {total} tokens: none is left for {part}")
    return {part: parts[part] for part in PARTS}


def digest_of(files: Iterable[Path]) -> str:
    """Compute the SHA-256 of the concatenated contents of files."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _lines(file: Path, how: Tokens) -> list[Line]:
    try:
        content = file.read_text("utf-8-sig")  # some editors write a byte order mark
    except OSError as error:
        raise DataError(f"text.root: {file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not UTF-8: {error}") from error
    lines = [line for given in content.split("\n") if (line := tokens(given, how))]
    if not lines:
        raise DataError(f"{file} holds no word")
    return lines


def _cut(lines: list[Line], size: int) -> tuple[list[Line], list[Line]]:
    """Split lines in two after ``size`` tokens, within a line if necessary."""
    for i, line in enumerate(lines):
        if size <= len(line):
            parts = [*lines[:i], line[:size]], [line[size:], *lines[i + 1 :]]
            return list(filter(None, parts[0])), list(filter(None, parts[1]))
        size -= len(line) + 1  # with <eos>
    return lines, []
