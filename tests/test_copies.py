"""Data that git ignores are there in the copies in which DVC runs experiments."""

import pytest

from support.copies import link_data, original


@pytest.fixture
def main(tmp_path):
    """A working copy; data were downloaded into a folder that git knows, others are its own."""
    for name in ("data/README.md", "data/MNIST/raw/images", "mine/pets/cat.png", "novel.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("main")
    return tmp_path


@pytest.fixture
def copy(main):
    """A copy of what git knows."""
    folder = main / ".dvc/tmp/exps/tmp123"
    (folder / "data").mkdir(parents=True)
    (folder / "data/README.md").write_text("of the experiment")
    return folder


def test_what_a_copy_lacks_is_linked_and_what_it_has_stays(main, copy):
    assert original(copy) == main
    link_data(["data", "mine/pets", "novel.txt", "nowhere"], copy)
    for name in ("data/MNIST/raw/images", "mine/pets/cat.png", "novel.txt"):
        assert (copy / name).read_text() == "main"
        assert (copy / name).resolve() == (main / name).resolve()
    assert (copy / "data/README.md").read_text() == "of the experiment"
    assert not (copy / "nowhere").exists()
    link_data(["data", "novel.txt"], copy)  # a second time, with the links there


def test_absolute_paths_are_left_alone(main, copy):
    before = sorted(copy.rglob("*"))
    link_data([str(main / "mine/pets"), "~/pets"], copy)
    assert sorted(copy.rglob("*")) == before


def test_nothing_is_linked_in_a_working_copy_of_ones_own(main):
    before = sorted(main.rglob("*"))
    assert original(main) == main
    link_data(["data", "novel.txt", "nowhere"], main)
    assert sorted(main.rglob("*")) == before
