"""The three parts of a data set, and the names that folders and files of them have."""

from typing import Literal

Part = Literal["train", "valid", "test"]
PARTS: tuple[Part, ...] = ("train", "valid", "test")

_NAMES: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "dev": "valid",
    "test": "test",
    "testing": "test",
}


def part_of(name: str) -> Part | None:
    """Find the part that a folder or file is named after, whatever the case: ``val`` is valid.

    Returns:
        The part; None if the name is that of no part.
    """
    return _NAMES.get(name.lower())
