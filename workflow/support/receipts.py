"""Receipts: for each result, its checksum and the name of its finished job in the cache.

They are stored with Snakemake's records of a stage, and so versioned by DVC with the results. By
them, a damaged result is detected, and a pulled one is cached before a run overwrites it.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from support.checksum import sha256
from support.finished import FinishedJobs, is_sound, keep
from support.stages import outputs, records_of, stage_of
from wpl.files import atomic

NAME = "receipts.json"
SEEN = Path(".snakemake/seen.json")  # checksums of results, by the file's state: see _checksum


def remove_changed(root: Path) -> list[str]:
    """Remove results that differ from their checksums, so that they are made again.

    Returns:
        The files removed.
    """
    before, seen, removed = read_json(SEEN), {}, []
    for stage in sorted(set(outputs(root).values())):
        for path, receipt in read_json(records_of(stage) / NAME).items():
            if not Path(path).is_file():
                continue
            seen[path] = _checksum(path, before.get(path))
            if seen[path][-1] != receipt["sha256"]:
                Path(path).unlink()
                removed.append(path)
    if seen != before:
        _write(SEEN, seen)
    return removed


def keep_before(jobs: Iterable[Any], root: Path) -> None:
    """Cache the results that jobs are about to overwrite, and remove their receipts."""
    finished = Path(os.environ["SNAKEMAKE_OUTPUT_CACHE"])
    changed = [str(output) for job in jobs for output in job.output]
    for stage, paths in _by_stage(changed, root).items():
        file = records_of(stage) / NAME
        receipts = read_json(file)
        for path in receipts.keys() & paths:
            kept = finished / receipts.pop(path)["kept"]
            if Path(path).is_file() and not is_sound(kept):
                keep(Path(path), kept)
        _write(file, receipts)


def write(workflow: Any, root: Path) -> None:
    """Write the receipts of all results of a successful run."""
    cache = workflow.output_file_cache
    if not isinstance(cache, FinishedJobs):
        return
    names: dict[str, str] = {}
    for job in workflow.dag.jobs:
        if job.rule.cache and job.rule.cache.output:
            names |= workflow.async_run(cache.names(job))
    for stage, paths in _by_stage(names, root).items():
        file = records_of(stage) / NAME
        receipts = {path: r for path, r in read_json(file).items() if Path(path).is_file()}
        for path in sorted(paths - receipts.keys()):
            receipts[path] = {"kept": names[path], "sha256": sha256(Path(path))}
        _write(file, receipts)


def _by_stage(paths: Iterable[str], root: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for path in paths:
        stage = stage_of(path, root)
        if stage is not None:
            found.setdefault(stage, set()).add(path)
    return found


def _checksum(path: str, before: list[Any] | None) -> list[Any]:
    """Compute a file's checksum, if its state has changed; return state and checksum."""
    state = Path(path).stat()
    now = [state.st_size, state.st_ctime_ns, state.st_ino]
    if before is not None and before[:3] == now:
        return before
    return [*now, sha256(Path(path))]


def read_json(file: Path) -> dict[str, Any]:
    """Read a JSON object; one without a file is empty."""
    try:
        found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    return found


def _write(file: Path, content: dict[str, Any]) -> None:
    with atomic(file) as temporary:
        temporary.write_text(json.dumps(content, indent=0, sort_keys=True), "utf-8")
