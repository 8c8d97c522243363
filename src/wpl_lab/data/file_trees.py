"""A tree of files in a folder or in an archive, read without unpacking."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from wpl_lab.data.archives import KNOWN, open_archive
from wpl_lab.data.data_files import DataError


@dataclass(frozen=True)
class Tree:
    """Files by their path in the tree, with ``/`` as separator.

    Attributes:
        root: The folder or archive.
        files: Paths of the files, in the order that is fastest to read.
        folders: Paths of the folders that the tree names.
        hidden: Paths that are left out: those that start with a dot, or that macOS adds to
            archives. For a hidden folder on disk, only the path of the folder.
        read: Returns the content of a file.
    """

    root: Path
    files: tuple[str, ...]
    folders: frozenset[str]
    hidden: tuple[str, ...]
    read: Callable[[str], bytes]


@contextmanager
def open_tree(root: Path) -> Iterator[Tree]:
    """Open a folder, or an archive of one.

    Yields:
        The tree; files can be read until the block ends.

    Raises:
        DataError: If there is no such folder or archive, or it cannot be read; if an archive is
            refused (see ``archives.open_archive``); if a link leads to a folder that contains it.
            Reading files raises it too.
    """
    if root.is_dir():
        yield _folder(root)
    elif root.exists():
        with open_archive(root) as members:
            yield _tree(root, members.files, members.folders, members.read)
    else:
        raise DataError(f"{root} is missing: expected a folder or an archive ({KNOWN})")


def _folder(root: Path) -> Tree:
    def read(name: str) -> bytes:
        try:
            return (root / name).read_bytes()
        except OSError as error:
            raise _unreadable(error) from error

    files: list[str] = []
    folders: list[str] = []
    try:
        _walk(root, PurePosixPath(), [], files, folders)
    except OSError as error:
        raise _unreadable(error) from error
    return _tree(root, files, folders, read)


def _walk(
    root: Path,
    here: PurePosixPath,
    above: list[tuple[int, int]],
    files: list[str],
    folders: list[str],
) -> None:
    """Collect the paths in a folder, following links to folders."""
    state = (root / here).stat()
    identity = (state.st_dev, state.st_ino)
    if identity in above:
        raise DataError(f"{root / here} is a link to a folder that contains it")
    with os.scandir(root / here) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        path = here / entry.name
        if not entry.is_dir():
            files.append(str(path))
            continue
        folders.append(str(path))
        if not _is_hidden(str(path)):
            _walk(root, path, [*above, identity], files, folders)


def _tree(
    root: Path, files: Iterable[str], folders: Iterable[str], read: Callable[[str], bytes]
) -> Tree:
    files, folders = list(files), list(folders)
    hidden = tuple(path for path in [*folders, *files] if _is_hidden(path))
    return Tree(root, _visible(files), frozenset(_visible(folders)), hidden, read)


def _visible(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(path for path in paths if not _is_hidden(path))


def _is_hidden(path: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(path).parts)


def _unreadable(error: OSError) -> DataError:
    return DataError(f"{error.filename} cannot be read: {error.strerror}")
