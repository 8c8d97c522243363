"""Sources of text: the manual that ships with Python, Penn Treebank, and files of your own."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor

from wpl_lab.data.data_files import DataError
from wpl_lab.data.data_settings import TextData, TextSource
from wpl_lab.data.parts import Part
from wpl_lab.data.text import Text
from wpl_lab.data.text_facts import facts_of_lines
from wpl_lab.data.text_files import digest_of, find_text_files, read_text_files
from wpl_lab.data.text_manual import read_manual
from wpl_lab.data.text_tokens import END, UNKNOWN, Line
from wpl_lab.data.text_treebank import fetch_treebank


def read_text(settings: TextData) -> tuple[Text, dict[str, Any]]:
    """Read a text, split it into parts if it has none, and number its words.

    Every line ends with the token ``<eos>``; in the manual, every paragraph. The vocabulary is
    ``<unk>``, which stands for all other words, followed by the most frequent words of the training
    part, sorted by decreasing frequency, then alphabetically.

    Args:
        settings: Where the text is, how it is tokenised (see ``text_tokens.tokens``), and how it is
            split.

    Returns:
        The text; and its origin: source, sha256, kind of tokens, facts about its lines, and, where
        they matter, version of Python and seed of the split.

    Raises:
        DataError: If there is no such source; if a file is missing and cannot be downloaded, fails
            its checksum, is not UTF-8 or has no word; if a share leaves a part empty.
    """
    source, how, root = settings.source, settings.tokens, Path(settings.root)
    shares: dict[Part, float] = {"test": settings.test_share, "valid": settings.valid_share}
    if source == "ptb" and how == "words":
        how = "given"
    content = ""
    if source == "manual":
        parts, about = read_manual(how, shares, settings.seed)
    elif source in get_args(TextSource):
        files = fetch_treebank(root) if source == "ptb" else find_text_files(root)
        parts = read_text_files(files, how, shares)
        about = {"sha256": digest_of(files.values())}
        content = files["train"].read_text("utf-8-sig")
    else:
        known = ", ".join(get_args(TextSource))
        raise DataError(f"there is no text source {source!r}; known are {known}")
    words = _most_frequent(parts["train"], settings.vocabulary)
    numbers = {word: number for number, word in enumerate(words)}
    tensors = {part: _encode(lines, numbers) for part, lines in parts.items()}
    facts = [asdict(fact) for fact in facts_of_lines(parts, how, content)]
    return Text(**tensors, words=words), {
        "source": source,
        "tokens": how,
        "facts": facts,
        **about,
    }


def _most_frequent(lines: Iterable[Line], vocabulary: int) -> tuple[str, ...]:
    counts = Counter(word for line in lines for word in (*line, END))
    del counts[UNKNOWN]  # it is in the vocabulary whether or not it occurs
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    return (UNKNOWN, *ranked[: vocabulary - 1])


def _encode(lines: Iterable[Line], numbers: Mapping[str, int]) -> Tensor:
    unknown = numbers[UNKNOWN]
    return torch.tensor([numbers.get(word, unknown) for line in lines for word in (*line, END)])
