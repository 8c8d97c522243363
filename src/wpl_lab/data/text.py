"""Text as token numbers in three parts: train, valid and test."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wpl_lab.data.parts import PARTS, Part
from wpl_lab.io.artifact import load_tensors, save_tensors


@dataclass(frozen=True)
class Text:
    """Three parts of one text, and the words that their tokens stand for.

    Attributes:
        train: Tokens ``(token)`` to train on, int64, from 0 to below the number of words.
        valid: Tokens for validation.
        test: Tokens for the final test.
        words: The word of each token number, all different; the first is ``<unk>``, which stands
            for all words that are not in the vocabulary.
    """

    train: Tensor
    valid: Tensor
    test: Tensor
    words: tuple[str, ...]

    @property
    def sizes(self) -> dict[Part, int]:
        """Number of tokens of each part."""
        return {part: len(getattr(self, part)) for part in PARTS}


def save_text(path: Path | str, text: Text, **about: Any) -> None:
    """Write a text to one file.

    Args:
        path: The file.
        text: The text.
        **about: Metadata about its origin that JSON can hold.
    """
    tensors: dict[str, Tensor] = {
        part: getattr(text, part).to(torch.int32) for part in PARTS
    }  # half the size
    words = bytearray("\n".join(text.words).encode())
    tensors["words"] = torch.frombuffer(words, dtype=torch.uint8)
    save_tensors(path, "text", tensors, **about)


def load_text(path: Path | str) -> tuple[Text, dict[str, Any]]:
    """Read a file written by ``save_text``.

    Returns:
        The text, and the metadata.

    Raises:
        ArtifactError: If the file is missing, damaged or of another kind.
    """
    tensors, about = load_tensors(path, "text")
    words = tensors["words"].numpy().tobytes().decode()
    parts = {part: tensors[part].to(torch.int64) for part in PARTS}
    return Text(**parts, words=tuple(words.split("\n"))), about
