"""Archives, read member by member without extracting files, so that nothing is overwritten."""

import gzip
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from wpl_lab.data.data_files import DataError

_TARS: dict[str, Callable[[Path], Any]] = {
    ".tar": io.FileIO,
    ".tar.gz": gzip.open,
    ".tgz": gzip.open,
    ".tar.xz": lzma.open,
}
KNOWN = ", ".join([*_TARS, ".zip"])
_DAMAGES = (
    EOFError,
    OSError,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    RuntimeError,  # a password, a compression that zipfile does not know
)

# Images hardly compress: an archive that unpacks to more than this is a decompression bomb.
_LARGEST_RATIO = 100
_ALWAYS_ALLOWED = 2**26
_LARGEST_FILE = 2**30


@dataclass(frozen=True)
class Members:
    """The content of an archive.

    Attributes:
        files: Paths of the files, in their order in the archive.
        folders: Paths of the folders that it names.
        read: Returns the content of a file.
    """

    files: list[str]
    folders: list[str]
    read: Callable[[str], bytes]


@contextmanager
def open_archive(path: Path) -> Iterator[Members]:
    """Open a ``.tar``, ``.tar.gz``, ``.tgz``, ``.tar.xz`` or ``.zip``.

    Yields:
        Its members; they can be read until the block ends.

    Raises:
        DataError: If it is of another type or damaged; if it holds a link, a device, a path outside
            the archive, a duplicate path, or a multiple of its own size. Reading members raises it
            too.
    """
    name = path.name.lower()
    tar = next((opener for end, opener in _TARS.items() if name.endswith(end)), None)
    if name.endswith(".zip"):
        with _sound(path):
            archive = zipfile.ZipFile(path)
        with archive:
            yield _zip(path, archive)
    elif tar:
        with _sound(path):
            content = tar(path)
        with content:
            yield _tar(path, content)
    else:
        raise DataError(f"{path} is of an unknown type: expected a folder or one of {KNOWN}")


def _zip(root: Path, archive: zipfile.ZipFile) -> Members:
    files: dict[str, zipfile.ZipInfo] = {}
    folders = []
    for member in archive.infolist():
        given = member.filename.replace("\\", "/")  # some programs on Windows violate the format
        name = _inside(given, root)
        if given.endswith("/"):
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

    return Members(list(files), folders, read)


def _tar(root: Path, content: IO[bytes]) -> Members:
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

    return Members(list(files), folders, read)


class _Bounded:
    """The stream interface that ``tarfile`` needs, with a limit on the position.

    It also limits headers, for which an archive can claim any length.
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
        raise DataError(f"{root}: {name!r} escapes from the archive")
    return str(path)


def _check(name: str, root: Path, *, plain: bool, size: int, known: Iterable[str]) -> None:
    if not plain:
        raise DataError(f"{root}: {name!r} is a link, a device or a sparse file")
    if size > _LARGEST_FILE:
        raise DataError(f"{root}: {name!r} has {size} bytes; at most {_LARGEST_FILE} are read")
    if name in known:
        raise DataError(f"{root}: {name!r} is a duplicate path")


def _allowed(root: Path) -> int:
    return _LARGEST_RATIO * root.stat().st_size + _ALWAYS_ALLOWED


def _bomb(root: Path, allowed: int) -> DataError:
    return DataError(
        f"{root} unpacks to more than {allowed} bytes ({_LARGEST_RATIO} times its own size and "
        f"{_ALWAYS_ALLOWED >> 20} MiB): not an archive of images"
    )
