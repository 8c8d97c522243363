"""The reference manual that ships with Python, as text."""

import hashlib
import platform
import re
from collections.abc import Mapping
from typing import Any

import torch

from wpl_lab.data.data_files import DataError
from wpl_lab.data.data_settings import Tokens
from wpl_lab.data.parts import PARTS, Part
from wpl_lab.data.text_tokens import Line, count, tokens
from wpl_lab.seeding import generator


def read_manual(
    how: Tokens, shares: Mapping[Part, float], seed: int
) -> tuple[dict[Part, list[Line]], dict[str, Any]]:
    """Read the manual in ``pydoc_data.topics`` and assign its topics to the parts.

    Args:
        how: How it is tokenised.
        shares: Largest shares of the tokens for valid and test.
        seed: Seed of the order in which topics are assigned.

    Returns:
        Paragraphs by part, and their origin.

    Raises:
        DataError: If a share leaves a part empty.
    """
    from pydoc_data.topics import topics  # noqa: PLC0415 - half a megabyte, rarely needed

    parts = _deal(_distinct(topics, how), shares, seed)
    content = "\0".join(f"{name}\0{text}" for name, text in sorted(topics.items()))
    return parts, {
        "sha256": hashlib.sha256(content.encode()).hexdigest(),
        "python": platform.python_version(),
        "seed": seed,
    }


def _distinct(topics: Mapping[str, str], how: Tokens) -> dict[str, list[Line]]:
    """Collect the paragraphs of each topic, each paragraph once.

    Topics contain each other: the sections of "compound" are topics, too. Otherwise two fifths of
    the test part would also be in the training part.

    Returns:
        Paragraphs by topic; a paragraph of several topics is in the longest of them. A topic of
        which nothing remains is left out.
    """
    paragraphs = {
        name: [line for block in re.split(r"\n\s*\n", text) if (line := tokens(block, how))]
        for name, text in topics.items()
    }
    seen: set[Line] = set()
    distinct = {}
    for name in sorted(paragraphs, key=lambda name: (-count(paragraphs[name]), name)):
        new = [line for line in dict.fromkeys(paragraphs[name]) if line not in seen]
        seen.update(new)
        if new:
            distinct[name] = new
    return distinct


def _deal(
    topics: Mapping[str, list[Line]], shares: Mapping[Part, float], seed: int
) -> dict[Part, list[Line]]:
    """Assign whole topics in random order, each to the first part with room, train last."""
    total = sum(map(count, topics.values()))
    room = {part: share * total for part, share in shares.items()}
    parts: dict[Part, list[Line]] = {part: [] for part in PARTS}
    names = sorted(topics)
    for i in torch.randperm(len(names), generator=generator(seed, "text", "split")).tolist():
        size = count(topics[names[i]])
        part: Part = next((part for part in room if size <= room[part]), "train")
        parts[part] += topics[names[i]]
        if part != "train":
            room[part] -= size
    for part in PARTS:
        if not parts[part]:
            given = ", ".join(f"text.{name}_share: {share}" for name, share in shares.items())
            raise DataError(f"{given} of {total} tokens: not one topic is left for {part}")
    return parts
