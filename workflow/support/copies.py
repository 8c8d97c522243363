"""The copies in which DVC runs experiments (`dvc exp run --temp`, `--queue`)."""

import os
from collections.abc import Iterable
from pathlib import Path

COPIES = f"{os.sep}.dvc{os.sep}tmp{os.sep}exps"


def original(copy: Path) -> Path:
    """Find the working copy of which a folder is a copy that DVC made; else it is its own."""
    return Path(str(copy).partition(COPIES)[0])


def link_data(roots: Iterable[str], copy: Path) -> None:
    """Link data that the original has and its copy lacks: DVC copies what git or itself tracks.

    What the copy has belongs to the experiment, and stays as it is.

    Args:
        roots: Relative to a working copy, folders of data or single files; absolute paths, and
            those that begin with ~, are the same in the copy.
        copy: The working copy of this run; nothing is done in one that DVC did not make.
    """
    for root in roots:
        there, here = original(copy) / root, copy / root
        if there == here or not there.exists():
            continue
        pairs = [(there, here)]
        if there.is_dir() and here.is_dir():
            pairs = [(entry, here / entry.name) for entry in there.iterdir()]
        for source, link in pairs:
            if not link.exists():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(source)
