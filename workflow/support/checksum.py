"""Checksum of a file."""

import hashlib
from pathlib import Path


def sha256(file: Path) -> str:
    """Compute the SHA-256 of a file's content, in hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
