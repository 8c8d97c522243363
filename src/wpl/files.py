"""Atomic writing of files."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Provide a temporary path beside ``path``, moved there when the block ends without an error.

    If the program is killed, or the disk is full, the file at ``path`` is unchanged.

    Yields:
        The temporary path, in the folder of ``path``.

    Raises:
        OSError: If the file cannot be written; names it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except OSError as error:
        error.filename = str(path)  # the error of a full disk does not name the file
        raise
    finally:
        temporary.unlink(missing_ok=True)
