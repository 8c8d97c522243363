"""Archives are read without being extracted, and malicious ones are refused."""

import io
import lzma
import os
import stat
import tarfile
import zipfile

import pytest

from wpl_lab.data.data_files import DataError
from wpl_lab.data.file_trees import open_tree


def names(root):
    with open_tree(root) as tree:
        return {name: tree.read(name) for name in tree.files}


def tar(path, *members, mode="w:xz"):
    """Write an archive from pairs of TarInfo or name, and content."""
    with tarfile.open(path, mode) as archive:
        for member, content in members:
            info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def zipped(path, *members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members:
            archive.writestr(member, content)
    return path


def zip_link(name):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info


def test_a_tree_is_the_same_in_a_folder_and_an_archive(tmp_path):
    members = [("b/y", b"2"), ("a/x", b"1"), ("./c/d/z", b"")]
    for name, content in members:
        (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / name).write_bytes(content)
    expected = {"a/x": b"1", "b/y": b"2", "c/d/z": b""}
    assert names(tmp_path / "folder") == expected
    assert names(tar(tmp_path / "t.tar.xz", *members)) == expected
    assert names(tar(tmp_path / "t.tgz", *members, mode="w:gz")) == expected
    assert names(zipped(tmp_path / "t.zip", *members)) == expected


def test_files_are_read_in_any_order(tmp_path):
    archive = tar(tmp_path / "t.tar.xz", *((str(i), bytes([i]) * 100_000) for i in range(5)))
    with open_tree(archive) as tree:
        for i in (3, 0, 4, 4, 1):
            assert tree.read(str(i)) == bytes([i]) * 100_000


def test_a_loop_of_links_is_named(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/up").symlink_to(tmp_path / "a")
    with pytest.raises(DataError, match="a/b/up is a link to a folder that contains it"):
        names(tmp_path)


def test_a_linked_folder_is_read(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/x").write_bytes(b"1")
    (tmp_path / "tree/a").mkdir(parents=True)
    for name in ("a/b", "c"):
        (tmp_path / "tree" / name).symlink_to(tmp_path / "elsewhere")
    assert names(tmp_path / "tree") == {"a/b/x": b"1", "c/x": b"1"}


def test_deep_files_are_read(tmp_path):
    deep = tmp_path / "/".join("abcdefghij")
    deep.mkdir(parents=True)
    (deep / "x").write_bytes(b"1")
    assert names(tmp_path) == {"a/b/c/d/e/f/g/h/i/j/x": b"1"}


def test_hidden_files_are_reported(tmp_path):
    members = [(".git/a", b""), ("b/._c", b""), ("__MACOSX/b/c", b""), ("b/c", b"1")]
    for name, content in members:
        (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / name).write_bytes(content)
    for root in (tmp_path / "folder", zipped(tmp_path / "t.zip", *members)):
        assert names(root) == {"b/c": b"1"}
        with open_tree(root) as tree:
            assert {path.split("/")[0] for path in tree.hidden} == {".git", "b", "__MACOSX"}


def test_the_folder_itself_in_an_archive_is_not_hidden(tmp_path):
    whole = special(".", tarfile.DIRTYPE)
    with open_tree(tar(tmp_path / "t.tar", (whole, b""), ("./a", b"1"), mode="w")) as tree:
        assert (tree.files, tree.hidden) == (("a",), ())


def test_backslashes_of_windows_are_slashes(tmp_path):
    archive = zipped(tmp_path / "t.zip", (r"a\b\x", b"1"), ("a\\c\\", b""))
    with zipfile.ZipFile(archive) as raw:
        assert raw.namelist() == [r"a\b\x", "a\\c\\"]
    assert names(archive) == {"a/b/x": b"1"}
    with open_tree(archive) as tree:
        assert tree.folders == {"a/c"}
    zipped(archive, (r"a\..\..\x", b"1"))
    with pytest.raises(DataError, match=r"'a/\.\./\.\./x' escapes from the archive"):
        names(archive)


@pytest.mark.parametrize("end", [".ZIP", ".Zip", ".TAR", ".TAR.GZ", ".TGZ", ".Tar.Xz"])
def test_types_are_known_in_any_case(tmp_path, end):
    archive = tmp_path / f"t{end}"
    mode = {".TAR": "w", ".TAR.GZ": "w:gz", ".TGZ": "w:gz", ".Tar.Xz": "w:xz"}.get(end)
    zipped(archive, ("a", b"1")) if mode is None else tar(archive, ("a", b"1"), mode=mode)
    assert names(archive) == {"a": b"1"}


ESCAPES = ["../x", "a/../../x", "/etc/x"]


@pytest.mark.parametrize("name", ESCAPES)
def test_a_path_that_escapes_is_refused(tmp_path, name):
    for archive in (tar(tmp_path / "t.tar.gz", (name, b"x"), mode="w:gz"), tmp_path / "t.zip"):
        if archive.suffix == ".zip":
            zipped(archive, (name, b"x"))
        with pytest.raises(DataError, match=rf"t\.\S+: '{name}' escapes from the archive"):
            names(archive)


@pytest.mark.parametrize(
    "member",
    [
        special("x", tarfile.SYMTYPE, "/etc/passwd"),
        special("x", tarfile.LNKTYPE, "a"),
        special("x", tarfile.CHRTYPE),
        special("x", tarfile.FIFOTYPE),
    ],
)
def test_links_and_devices_are_refused(tmp_path, member):
    archive = tar(tmp_path / "t.tar", ("a", b"1"), (member, b""), mode="w")
    with pytest.raises(DataError, match=r"t\.tar: 'x' is a link, a device or a sparse file"):
        names(archive)


def test_a_link_in_a_zip_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"t\.zip: 'x' is a link"):
        names(zipped(tmp_path / "t.zip", (zip_link("x"), b"/etc/passwd")))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_duplicate_path_is_refused(tmp_path):
    members = [("a", b"1"), ("a", b"2")]
    for archive in (tar(tmp_path / "t.tar.xz", *members), zipped(tmp_path / "t.zip", *members)):
        with pytest.raises(DataError, match="'a' is a duplicate path"):
            names(archive)


def test_archive_bombs_are_refused(tmp_path):
    zeros = bytes(80_000_000)
    for archive in (tar(tmp_path / "t.tar.xz", ("a", zeros), ("b", b"")), tmp_path / "t.zip"):
        if archive.suffix == ".zip":
            zipped(archive, ("a", zeros))
        assert archive.stat().st_size < 100_000
        with pytest.raises(DataError, match=r"t\.\S+ unpacks to more than \d+ bytes"):
            names(archive)


def test_a_header_cannot_exhaust_the_memory(tmp_path):
    """The header claims that the name of a file has 8 GiB."""
    info = special("././@LongLink", tarfile.GNUTYPE_LONGNAME)
    info.size = 2**33 - 1
    (tmp_path / "t.tar.xz").write_bytes(
        lzma.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(10_000))
    )
    with pytest.raises(DataError, match=r"t\.tar\.xz unpacks to more than"):
        names(tmp_path / "t.tar.xz")


def test_a_file_that_claims_to_be_large_is_refused(tmp_path):
    info = tarfile.TarInfo("a")
    info.size = 2**33 - 1
    (tmp_path / "t.tar").write_bytes(info.tobuf() + bytes(10_000))
    with pytest.raises(DataError, match=r"t\.tar: 'a' has 8589934591 bytes; at most 1073741824"):
        names(tmp_path / "t.tar")


@pytest.mark.parametrize("end", [".zip", ".tar", ".tar.gz", ".tar.xz"])
@pytest.mark.parametrize("content", [b"", b"text" * 1000])
def test_a_file_that_is_not_an_archive_is_named(tmp_path, end, content):
    if end == ".tar" and not content:
        content = b"\1" * 600
    (tmp_path / f"t{end}").write_bytes(content)
    with pytest.raises(DataError, match=rf"t{end} is damaged: "):
        names(tmp_path / f"t{end}")


@pytest.mark.parametrize("end", [".zip", ".tar.gz", ".tar.xz"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_truncated_archive_is_named(tmp_path, end, share):
    members = [(str(i), os.urandom(5000)) for i in range(8)]
    archive = tmp_path / f"t{end}"
    zipped(archive, *members) if end == ".zip" else tar(archive, *members, mode=f"w:{end[5:]}")
    raw = archive.read_bytes()
    archive.write_bytes(raw[: int(share * len(raw))])
    with pytest.raises(DataError, match=rf"t{end}(/\d)? (is damaged|cannot be read): "):
        names(archive)


def test_a_flipped_byte_in_a_zip_is_detected(tmp_path):
    archive = zipped(tmp_path / "t.zip", ("a", os.urandom(1000)))
    raw = bytearray(archive.read_bytes())
    raw[500] ^= 1
    archive.write_bytes(raw)
    with pytest.raises(DataError, match=r"t\.zip/a cannot be read: "):
        names(archive)


def test_an_unknown_type_is_named(tmp_path):
    (tmp_path / "t.rar").write_bytes(b"Rar!")
    with pytest.raises(
        DataError, match=r"t\.rar is of an unknown type: expected .* \.tar\.xz, \.zip"
    ):
        names(tmp_path / "t.rar")


def test_a_missing_archive_is_named(tmp_path):
    with pytest.raises(DataError, match=r"t\.zip is missing: expected a folder or an archive"):
        names(tmp_path / "t.zip")
