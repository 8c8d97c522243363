"""A tree of files in a folder or in an archive, which is read as it is: nothing is extracted."""

import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from wpl.data_files import DataError

_TARS: dict[str, Callable[[Path], Any]] = {
    ".tar": io.FileIO,
    ".tar.gz": gzip.open,
    ".tgz": gzip.open,
    ".tar.xz": lzma.open,
}
_KNOWN = ", ".join([*_TARS, ".zip"])
_DAMAGES = (
    EOFError,
    OSError,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    RuntimeError,  # a password, a compression that zipfile does not know
)

# Images hardly shrink: an archive that unpacks to more than this is made to fill the memory.
_LARGEST_RATIO = 100
_ALWAYS_ALLOWED = 2**26
_LARGEST_FILE = 2**30
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
    """Open a folder, or a ``.tar``, ``.tar.gz``, ``.tgz``, ``.tar.xz`` or ``.zip`` of one.

    Yields:
        The tree; files can be read until the block ends.

    Raises:
        DataError: If there is no such folder or archive, or it cannot be read; if an archive is
            of another type or damaged, holds a link, a device or a path that leads out of it, the
            same path twice, or many times more than its own size. Reading raises it too.
    """
    tar = next((opener for end, opener in _TARS.items() if root.name.endswith(end)), None)
    if root.is_dir():
        yield _folder(root)
    elif not root.exists():
        raise DataError(f"{root} is missing: expected a folder or an archive ({_KNOWN})")
    elif root.name.endswith(".zip"):
        with _sound(root):
            archive = zipfile.ZipFile(root)
        with archive:
            yield _zip(root, archive)
    elif tar:
        with _sound(root):
            content = tar(root)
        with content:
            yield _tar(root, content)
    else:
        raise DataError(f"{root} is of no known type: expected a folder or one of {_KNOWN}")


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


def _zip(root: Path, archive: zipfile.ZipFile) -> Tree:
    files: dict[str, zipfile.ZipInfo] = {}
    folders = []
    for member in archive.infolist():
        name = _inside(member.filename, root)
        if member.is_dir():
            folders.append(name)
            continue
        kind = stat.S_IFMT(member.external_attr >> 16)
        _check(name, root, plain=kind in {0, stat.S_IFREG}, size=member.file_size, known=files)
        files[name] = member
    total, allowed = sum(member.file_size for member in files.values()), _allowed(root)
    if total > allowed:
        raise _bomb(root, allowed)

    def read(name: str) -> bytes:
        with _sound(root, name):
            return archive.read(files[name])

    return Tree(root, _visible(files), frozenset(_visible(folders)), read)


def _tar(root: Path, content: IO[bytes]) -> Tree:
    files: dict[str, tarfile.TarInfo] = {}
    folders = []
    with _sound(root):
        bounded = cast("IO[bytes]", _Bounded(root, content, _allowed(root)))
        archive = tarfile.open(fileobj=bounded, mode="r:")  # noqa: SIM115 - closes nothing
        for member in archive:
            name = _inside(member.name, root)
            if member.isdir():
                folders.append(name)
                continue
            plain = member.isreg() and not member.issparse()
            _check(name, root, plain=plain, size=member.size, known=files)
            files[name] = member

    def read(name: str) -> bytes:
        with _sound(root, name):
            return cast("IO[bytes]", archive.extractfile(files[name])).read()

    return Tree(root, _visible(files), frozenset(_visible(folders)), read)


class _Bounded:
    """What ``tarfile`` needs of a stream; it refuses to go beyond a position.

    Headers are bounded by it too, whose length an archive can claim to be anything.
    """

    def __init__(self, root: Path, stream: IO[bytes], limit: int) -> None:
        self._root, self._stream, self._limit = root, stream, limit
        self.tell = stream.tell

    def read(self, size: int) -> bytes:
        self._reach(self.tell() + size)
        return self._stream.read(size)

    def seek(self, position: int) -> int:
        self._reach(position)
        return self._stream.seek(position)

    def _reach(self, position: int) -> None:
        if position > self._limit:
            raise _bomb(self._root, self._limit)


@contextmanager
def _sound(root: Path, name: str = "") -> Iterator[None]:
    try:
        yield
    except _DAMAGES as error:
        where = f"{root / name} cannot be read" if name else f"{root} is damaged"
        raise DataError(f"{where}: {error}") from error


def _inside(name: str, root: Path) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise DataError(f"{root}: {name!r} leads out of the archive")
    return str(path)


def _check(name: str, root: Path, *, plain: bool, size: int, known: Iterable[str]) -> None:
    if not plain:
        raise DataError(f"{root}: {name!r} is a link, a device or a sparse file")
    if size > _LARGEST_FILE:
        raise DataError(f"{root}: {name!r} has {size} bytes; at most {_LARGEST_FILE} are read")
    if name in known:
        raise DataError(f"{root}: {name!r} stands there twice")


def _allowed(root: Path) -> int:
    return _LARGEST_RATIO * root.stat().st_size + _ALWAYS_ALLOWED


def _bomb(root: Path, allowed: int) -> DataError:
    return DataError(
        f"{root} unpacks to more than {allowed} bytes, {_LARGEST_RATIO} times its own size and "
        f"{_ALWAYS_ALLOWED >> 20} MiB: not an archive of images"
    )


def _visible(paths: Iterable[str]) -> tuple[str, ...]:
    """Leave out what starts with a dot, and what macOS adds to archives."""
    return tuple(
        path
        for path in paths
        if not any(part.startswith((".", "__MACOSX")) for part in path.split("/"))
    )
