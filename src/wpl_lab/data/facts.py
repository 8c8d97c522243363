"""Facts about a data set, for the log and as a table."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wpl_lab.data.parts import PARTS, Part
from wpl_lab.io.files import save_table

_LOG = logging.getLogger(__name__)
WARNING = "warning"


@dataclass(frozen=True)
class Fact:
    """A fact about a data set.

    Attributes:
        name: Its subject, such as ``"class cat"``, ``"rotated by EXIF"`` or ``"warning"``.
        values: Its value in each part, where it has one.
        note: A comment.
    """

    name: str
    values: Mapping[Part, float | str] = field(default_factory=dict)
    note: str = ""

    def __str__(self) -> str:
        """Format it in one line."""
        values = ", ".join(f"{part} {value}" for part, value in self.values.items())
        return f"{self.name}: {'; '.join(filter(None, [values, self.note]))}"


def log_facts(facts: Iterable[Fact]) -> None:
    """Write facts to the log, one a line."""
    for fact in facts:
        _LOG.log(logging.WARNING if fact.name == WARNING else logging.INFO, "%s", fact)


def save_facts(path: Path | str, facts: Iterable[Fact]) -> None:
    """Write facts as a table: fact, train, valid, test, note."""
    import pandas as pd  # noqa: PLC0415 - slow, and not needed to collect them

    rows = [
        {"fact": fact.name, **{part: fact.values.get(part) for part in PARTS}, "note": fact.note}
        for fact in facts
    ]
    save_table(path, pd.DataFrame(rows, dtype=object))
