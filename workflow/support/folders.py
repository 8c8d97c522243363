"""Digest of a folder of the user's data: what makes a job that reads it run again."""

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

    Among a rule's params it does for a folder of many thousand files what an input does for one:
    the job runs again when a name or a byte has changed, and not when only times have. Contents
    are read when a size or a time has changed (that of the file's record, which is renewed by every
    write and cannot be set back); else the last digest holds.

    Args:
        root: The folder.

    Returns:
        The digest; None where there is no such folder or it cannot be read: the job says why.
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
