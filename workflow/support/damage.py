"""Results that are not as the job that made them wrote them."""

import base64
from pathlib import Path

from support.checksum import sha256

DAMAGED = Path(".snakemake/damaged")  # what job.job writes of inputs that it finds damaged


def remove_damaged() -> None:
    """Remove files that are as damaged as a job found them; one that was mended since is kept."""
    for line in DAMAGED.read_text("utf-8").splitlines() if DAMAGED.exists() else ():
        digest, _, name = line.partition(" ")
        file = Path(name)
        if file.is_file() and sha256(file) == digest:
            file.unlink()
    DAMAGED.unlink(missing_ok=True)


def remove_unrecorded(records: Path, results: Path) -> None:
    """Remove results whose record was cut short: Snakemake would not see a change of params."""
    for record in records.rglob("*"):
        if record.is_file() and not record.read_bytes().endswith(b"}"):
            # A long name is cut into folders that begin with @: snakemake/persistence/file.py.
            *folders, last = record.relative_to(records).parts
            key = "".join(part[1:] for part in folders if part.startswith("@")) + last
            result = Path(base64.urlsafe_b64decode(key).decode())
            if result.parts[0] == results.name:
                result.unlink(missing_ok=True)
            record.unlink()
