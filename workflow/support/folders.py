"""Digest of a folder of the user's data, so that jobs run again when it changes."""

import hashlib
import os
from functools import cache
from pathlib import Path

from wpl_lab.data.data_files import DataError
from wpl_lab.data.file_trees import open_tree

KNOWN = Path(".snakemake/folders")


@cache
def folder_digest(root: str) -> str | None:
    """Digest the names and contents of the files in a folder.

    As a param of a rule, it replaces many thousand input files: the job runs again when a name or a
    content has changed, but not when only times have. Contents are read when a size or the time of
    the last status change has changed (every write updates it, and it cannot be set back);
    otherwise the last digest is used.

    Args:
        root: The folder.

    Returns:
        The digest; None if the folder is missing or cannot be read, which the job then reports.
    """
    path = Path(root)
    if not path.is_dir():
        return None
    seen, content = hashlib.sha256(), hashlib.sha256()
    try:
        with open_tree(path) as tree:
            for name in tree.files:
                state = (path / name).stat()
                now = f"{path / name}\0{state.st_size}\0{state.st_ctime_ns}\0{state.st_ino}\n"
                seen.update(os.fsencode(now))
            known = KNOWN / seen.hexdigest()[:32]
            if known.is_file():
                return known.read_text("utf-8")
            for name in tree.files:
                digest = hashlib.sha256(tree.read(name)).hexdigest()
                content.update(os.fsencode(f"{name}\0{digest}\n"))
    except (DataError, OSError):
        return None
    KNOWN.mkdir(parents=True, exist_ok=True)
    known.write_text(content.hexdigest()[:32], "utf-8")
    return content.hexdigest()[:32]
