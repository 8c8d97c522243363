"""Files of a data set: what can be wrong with them."""

import hashlib
from collections.abc import Mapping
from pathlib import Path


class DataError(ValueError):
    """Data is missing, cannot be downloaded, or is not what it should be."""


def missing(file: Path, reason: Exception, remedy: str) -> DataError:
    """Make the error for a file that is not there and cannot be downloaded either."""
    why = " ".join(str(reason).split())
    return DataError(f"{file} is missing and cannot be downloaded ({why}); {remedy}")


def verify(files: Mapping[Path, str]) -> None:
    """Compare files with their MD5 checksums.

    Raises:
        DataError: If one differs.
    """
    for file, expected in files.items():
        found = hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
        if found != expected:
            raise DataError(f"{file}: expected MD5 {expected}, found {found}; delete the file")
