"""Tables, metrics and text, written atomically."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wpl.files import atomic

if TYPE_CHECKING:  # the library itself does not need pandas
    import pandas as pd


class DamagedError(ValueError):
    """A file is damaged: not as it was written.

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path | str, what: str) -> None:
        """Make the message from the path and the damage."""
        super().__init__(f"{path}: {what}")
        self.path = path


def save_table(path: Path | str, table: pd.DataFrame) -> None:
    """Write a table as CSV, with numbers in their shortest exact form."""
    with atomic(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


def load_table(path: Path | str, **how: Any) -> pd.DataFrame:
    """Read a table written by ``save_table``; ``how`` are arguments of ``pandas.read_csv``.

    Returns:
        The table.

    Raises:
        DamagedError: If it ends within a row, or is not a table.
    """
    import pandas as pd  # noqa: PLC0415 - the library itself does not need it

    raw = Path(path).read_bytes()
    if not raw.endswith(b"\n"):
        raise DamagedError(path, "ends within a row; the file is damaged")
    try:
        return pd.read_csv(io.BytesIO(raw), **how)
    except ValueError as error:
        raise DamagedError(path, f"not a table, or damaged: {error}") from error


def save_json(path: Path | str, value: Mapping[str, Any]) -> None:
    """Write metrics as JSON; a number that is not finite becomes null."""
    save_text(path, json.dumps(_finite(value), indent=2) + "\n")


def save_text(path: Path | str, text: str) -> None:
    """Write text as UTF-8."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
