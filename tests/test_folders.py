"""A folder of the user's images is read again only if its content changes."""

import os
import shutil

import pytest
from image_folders import fill, write

from support import folders

RUN = "snakemake --cores all results/prepare_data/data.safetensors"
CHECK = "snakemake --cores all results/evaluate_data"


@pytest.fixture
def digest(tmp_path, monkeypatch):
    """Compute the digest of a folder as a run of Snakemake in an empty directory does."""
    monkeypatch.chdir(tmp_path)
    return folders.folder_digest.__wrapped__


def test_the_digest_covers_names_and_contents(tmp_path, digest):
    root = fill(tmp_path / "pets")
    file, seen = root / "train/cat/0.png", [digest(str(root))]
    raw = file.read_bytes()
    file.write_bytes(raw + b"1")
    seen.append(digest(str(root)))
    file.write_bytes(raw + b"2")
    seen.append(digest(str(root)))
    file.rename(file.with_name("x.png"))
    seen.append(digest(str(root)))
    file.with_name("x.png").unlink()
    seen.append(digest(str(root)))
    assert len(set(seen)) == 5
    write(root, "train/cat/0.png")
    assert digest(str(root)) == seen[0]
    assert digest(str(shutil.copytree(root, tmp_path / "copy"))) == seen[0], (
        "the place of the folder does not matter"
    )


def test_a_change_with_the_old_modification_time_is_noticed(tmp_path, digest):
    root = fill(tmp_path / "pets")
    before, file = digest(str(root)), root / "train/cat/0.png"
    state, raw = file.stat(), file.read_bytes()
    file.write_bytes(raw[:-1] + b"\0")
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert digest(str(root)) != before


def test_contents_are_read_once(tmp_path, digest):
    root = fill(tmp_path / "pets")
    before = digest(str(root))
    (known,) = folders.KNOWN.iterdir()
    known.write_text("as it was")
    assert digest(str(root)) == "as it was"
    os.utime(root / "train/cat/0.png", (1, 1))
    assert digest(str(root)) == before, "a new modification time alone changes nothing"


def test_names_need_not_be_utf_8(tmp_path, digest):
    root = fill(tmp_path / "pets")
    before = digest(str(root))
    (root / "train/cat/0.png").rename(os.fsdecode(os.fsencode(root) + b"/train/cat/\xff.png"))
    assert digest(str(root)) not in {before, None}


def test_unreadable_files_are_left_to_the_job(tmp_path, digest):
    assert digest(str(tmp_path / "nowhere")) is None
    root = fill(tmp_path / "pets")
    (root / "train/cat/0.png").unlink()
    (root / "train/cat/0.png").symlink_to("gone")
    assert digest(str(root)) is None


def test_a_users_images_are_read_again_when_they_change(project, tmp_path):
    root = fill(tmp_path / "pets", each=10)
    project.set("data", {"source": "folder", "root": str(root)})
    project(RUN)
    assert project.ran() == ["prepare_data/data"]
    for file in root.rglob("*.png"):
        file.touch()
    assert "Nothing to be done" in project(RUN)
    write(root, "train/cat/0.png", raw=(root / "train/cat/1.png").read_bytes())
    shutil.copy(root / "train/dog/1.png", root / "test/dog/1.png")
    project(RUN)
    log = (project.path / "logs/prepare_data/data.log").read_text()
    assert "warning: 1 of 20 test images are in train too" in log
    assert project.ran() == ["prepare_data/data"]
    write(root, "valid/dog/3.png", raw=b"no image")
    assert (
        f"error: prepare_data section=data: {root}/valid/dog/3.png cannot be used: not an image"
        in project(RUN, fails=True)
    )


def test_a_users_archive_is_read_again_when_it_changes(project, tmp_path):
    root = fill(tmp_path / "pets", each=10)
    archive = shutil.make_archive(str(tmp_path / "pets"), "zip", root)
    project.set("data", {"source": "folder", "root": archive, "size": 4, "limit": 6})
    project(RUN)
    assert project.ran() == ["prepare_data/data"]
    os.utime(archive)
    assert "Nothing to be done" in project(RUN)
    write(root, "train/cat/0.png", raw=(root / "train/cat/1.png").read_bytes())
    shutil.make_archive(str(tmp_path / "pets"), "zip", root)
    assert project.planned()["prepare_data"] == 1
    (tmp_path / "pets.zip").unlink()
    assert (
        f"error: prepare_data section=data: {archive} is missing: expected a folder or an archive"
        in project(RUN, fails=True)
    )


def test_insufficient_data_is_reported_before_any_training(project, tmp_path, monkeypatch):
    """The folder is given with ``~``; the arm omega needs a matrix of pixels by pixels."""
    monkeypatch.setenv("HOME", str(tmp_path))
    root = fill(tmp_path / "pets", classes=["cat", "cow", "dog", "owl"], each=60)
    (tmp_path / "novel").write_text("a b c d e f\n" * 20)
    project.set("data", {"source": "folder", "root": "~/pets", "size": 120})
    project.set("text", {"source": "folder", "root": "~/novel"})
    write(root, "train/cat/0.png", raw=b"not an image")
    wrong = "train/cat/0.png cannot be used: not an image"
    assert wrong in project(f"{CHECK}/data.csv", fails=True)
    write(root, "train/cat/0.png")
    assert "error: evaluate_data prepared=data: compare.remedies: omega needs" in project(
        f"{CHECK}/data.csv", fails=True
    )
    assert "error: evaluate_data prepared=text: text: the training part has" in project(
        f"{CHECK}/text.csv", fails=True
    )
    project.set("data", {"size": 6})
    project(f"{CHECK}/data.csv")
    facts = (project.path / "results/evaluate_data/data.csv").read_text()
    assert "class cat,60,60,60," in facts
