"""Files of a data set: download, verification, and the error for what is wrong with them."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from wpl.files import atomic


def printable(name: str) -> str:
    """Make a file name printable: bytes that are not UTF-8 become escapes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


class DataError(ValueError):
    """Data is missing, cannot be downloaded, or is not as expected."""

    def __init__(self, message: str) -> None:
        """Keep the message, made printable on any terminal."""
        super().__init__(printable(message))


def download(file: Path, urls: Sequence[str], md5: str, remedy: str) -> None:
    """Download a file from the first address that has it, and verify its MD5 checksum.

    Args:
        file: Where to write it; nothing that fails the checksum is kept.
        urls: Alternative addresses of the file.
        md5: The checksum.
        remedy: What the user can do without a network, for the error.

    Raises:
        DataError: If no address has the file with this checksum.
    """
    from torchvision.datasets.utils import download_url  # noqa: PLC0415 - slow, and rarely needed

    failures = []
    for url in urls:
        try:
            with atomic(file) as temporary:
                download_url(url, str(temporary.parent), temporary.name, md5)
        except (RuntimeError, OSError) as error:
            failures.append(" ".join(str(error).split()))
        else:
            return
    why = "; ".join(failures)
    raise DataError(f"{file} is missing and cannot be downloaded ({why}); {remedy}")


def verify(files: Mapping[Path, str]) -> None:
    """Compare files with their MD5 checksums.

    Raises:
        DataError: If one differs.
    """
    for file, expected in files.items():
        with file.open("rb") as stream:
            found = hashlib.file_digest(stream, _md5).hexdigest()
        if found != expected:
            raise DataError(f"{file}: expected MD5 {expected}, found {found}; delete the file")


def _md5() -> "hashlib._Hash":
    return hashlib.md5(usedforsecurity=False)
