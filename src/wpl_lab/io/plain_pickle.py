"""Read pickles of plain values; a pickle that refers to any code is refused before it can run."""

import hashlib
import io
import pickle
from pathlib import Path
from typing import Any, NoReturn

from wpl_lab.io.files import DamagedError


class _Plain(pickle.Unpickler):  # noqa: S301 - admits no globals
    """Unpickles dictionaries, lists, strings and numbers, the values that need no globals."""

    def find_class(self, module: str, name: str) -> NoReturn:
        """Refuse.

        Raises:
            UnpicklingError: Always.
        """
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no plain value")


def read_plain(path: Path, *, sha256: str) -> Any:
    """Read a pickle with a known checksum that contains plain values only.

    Args:
        path: The file.
        sha256: Checksum of its content, in hexadecimal digits.

    Returns:
        The value.

    Raises:
        DamagedError: If the checksum differs, or a value is not plain.
    """
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise DamagedError(path, f"its SHA-256 is {found[:12]}…, expected {sha256[:12]}…")
    try:
        return _Plain(io.BytesIO(content)).load()
    except pickle.UnpicklingError as error:
        raise DamagedError(path, f"not a pickle of plain values: {error}") from error
