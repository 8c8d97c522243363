"""Ignored data is linked into the copies of the project in which DVC runs experiments."""

import pytest

from support.copies import link_data, original


@pytest.fixture
def main(tmp_path):
    """Make a working copy with data in a tracked folder and in an ignored one."""
    for name in ("data/README.md", "data/MNIST/raw/images", "mine/pets/cat.png", "novel.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("main")
    return tmp_path


@pytest.fixture
def copy(main):
    """Make a copy of the tracked files."""
    folder = main / ".dvc/tmp/exps/tmp123"
    (folder / "data").mkdir(parents=True)
    (folder / "data/README.md").write_text("of the experiment")
    return folder


def test_missing_files_are_linked_and_existing_ones_stay(main, copy):
    assert original(copy) == main
    link_data(["data", "mine/pets", "novel.txt", "nowhere"], copy)
    for name in ("data/MNIST/raw/images", "mine/pets/cat.png", "novel.txt"):
        assert (copy / name).read_text() == "main"
        assert (copy / name).resolve() == (main / name).resolve()
    assert (copy / "data/README.md").read_text() == "of the experiment"
    assert not (copy / "nowhere").exists()
    link_data(["data", "novel.txt"], copy)  # again, with the links in place


def test_absolute_paths_are_not_linked(main, copy):
    before = sorted(copy.rglob("*"))
    link_data([str(main / "mine/pets"), "~/pets"], copy)
    assert sorted(copy.rglob("*")) == before


def test_nothing_is_linked_in_the_users_working_copy(main):
    before = sorted(main.rglob("*"))
    assert original(main) == main
    link_data(["data", "novel.txt", "nowhere"], main)
    assert sorted(main.rglob("*")) == before
