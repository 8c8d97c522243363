"""Tables, metrics and text: written whole or not at all."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the library itself does not need pandas
    import pandas as pd


@contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Give a temporary path beside ``path``, moved there when the block ends without an error.

    A job that is killed, or meets a full disk, leaves what stood at ``path`` untouched.

    Yields:
        The temporary path, in the folder of ``path``.

    Raises:
        OSError: If the file cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def save_table(path: Path | str, table: pd.DataFrame) -> None:
    """Write a table as CSV, numbers in their shortest exact form."""
    with atomic(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


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
