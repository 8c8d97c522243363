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
    """Find the part with the name of a folder or file, ignoring case; ``val`` is valid.

    Returns:
        The part; None if there is none.
    """
    return _NAMES.get(name.lower())
