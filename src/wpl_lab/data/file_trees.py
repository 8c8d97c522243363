"""A tree of files in a folder or in an archive, which is read as it is."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from wpl_lab.data.archives import KNOWN, open_archive
from wpl_lab.data.data_files import DataError

_DEEPEST = 4  # folders; deeper ones are not looked into, which also ends loops of links


@dataclass(frozen=True)
class Tree:
    """Files by their path in the tree, ``/`` between its parts. Hidden ones are left out.

    Attributes:
        root: The folder or archive.
        files: Paths of the files, in the order in which they are read fastest.
        folders: Paths of the folders that the tree names.
        read: Gives the content of a file.
    """

    root: Path
    files: tuple[str, ...]
    folders: frozenset[str]
    read: Callable[[str], bytes]


@contextmanager
def open_tree(root: Path) -> Iterator[Tree]:
    """Open a folder, or an archive of one.

    Yields:
        The tree; files can be read until the block ends.

    Raises:
        DataError: If there is no such folder or archive, or it cannot be read; if an archive is
            refused (``archives.open_archive``). Reading raises it too.
    """
    if root.is_dir():
        yield _folder(root)
    elif root.exists():
        with open_archive(root) as members:
            folders = frozenset(_visible(members.folders))
            yield Tree(root, _visible(members.files), folders, members.read)
    else:
        raise DataError(f"{root} is missing: expected a folder or an archive ({KNOWN})")


def _folder(root: Path) -> Tree:
    def fail(error: OSError) -> None:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}") from error

    def read(name: str) -> bytes:
        try:
            return (root / name).read_bytes()
        except OSError as error:
            fail(error)
            raise

    files, folders = [], []
    for where, inner, names in os.walk(root, followlinks=True, onerror=fail):
        here = PurePosixPath(Path(where).relative_to(root).as_posix())
        inner[:] = sorted(inner) if len(here.parts) < _DEEPEST else []
        folders.append(str(here))
        files += [str(here / name) for name in sorted(names)]
    return Tree(root, _visible(files), frozenset(_visible(folders)), read)


def _visible(paths: Iterable[str]) -> tuple[str, ...]:
    """Leave out what starts with a dot, and what macOS adds to archives."""
    return tuple(
        path
        for path in paths
        if not any(part.startswith((".", "__MACOSX")) for part in path.split("/"))
    )
