"""Removal of damaged results."""

import base64
from pathlib import Path

from support.checksum import sha256

DAMAGED = Path(".snakemake/damaged")  # written by job.job for damaged inputs


def remove_damaged() -> None:
    """Remove files that jobs found damaged, unless they were repaired since."""
    for line in DAMAGED.read_text("utf-8").splitlines() if DAMAGED.exists() else ():
        digest, _, name = line.partition(" ")
        file = Path(name)
        if file.is_file() and sha256(file) == digest:
            file.unlink()
    DAMAGED.unlink(missing_ok=True)


def remove_unrecorded(records: Path, results: Path) -> None:
    """Remove results with a truncated record, for which Snakemake would miss changes of params."""
    for record in records.rglob("*"):
        if record.is_file() and not record.read_bytes().endswith(b"}"):
            # Long names are split into folders that begin with @ (snakemake/persistence/file.py).
            *folders, last = record.relative_to(records).parts
            key = "".join(part[1:] for part in folders if part.startswith("@")) + last
            result = Path(base64.urlsafe_b64decode(key).decode())
            if result.parts[0] == results.name:
                result.unlink(missing_ok=True)
            record.unlink()
