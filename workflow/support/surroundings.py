"""Checks before the first job: writable folders, disk space, limits, GPU."""

import os
import resource
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

MEGABYTE = 2**20
LEAST_FREE = 100 * MEGABYTE
# Smallest values of the limits: size of checkpoints, open files, PyTorch's memory.
LEAST_ALLOWED = {
    "RLIMIT_FSIZE": ("ulimit -f", "size of a file", 10 * MEGABYTE),
    "RLIMIT_NOFILE": ("ulimit -n", "open files", 256),
    "RLIMIT_AS": ("ulimit -v", "virtual memory", 4096 * MEGABYTE),
}


def check(jobs: Iterable[Any], *, local: bool) -> None:
    """Check what jobs need, on this machine if they run here.

    Raises:
        WorkflowError: If something is missing; one line for each error.
    """
    jobs = list(jobs)
    folders = {_existing(Path(file).parent) for job in jobs for file in (*job.output, *job.log)}
    faults = list(_unwritable(sorted(folders)))
    if local:
        faults += _limits()
        faults += _gpu(jobs)
    if faults:
        raise WorkflowError(*faults)


def check_finished() -> None:
    """Warn if finished jobs cannot be cached, which is not an error."""
    finished = os.environ["SNAKEMAKE_OUTPUT_CACHE"]
    if "://" in finished:
        return
    try:
        Path(finished).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=finished):
            pass
    except OSError as error:
        logger.warning(f"Finished jobs are not kept: {finished}: {error.strerror}")


def _existing(folder: Path) -> Path:
    """Find the nearest existing parent of a folder."""
    return next(parent for parent in (folder, *folder.parents) if parent.exists())


def _unwritable(folders: Iterable[Path]) -> Iterator[str]:
    for folder in folders:
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            yield f"{folder}: cannot be written to: {error.strerror}"
            continue
        free = shutil.disk_usage(folder).free
        if free < LEAST_FREE:
            yield (
                f"{folder}: {free // MEGABYTE} MB are free on its disk; "
                f"expected {LEAST_FREE // MEGABYTE} MB"
            )


def _limits() -> Iterator[str]:
    for name, (command, what, least) in LEAST_ALLOWED.items():
        allowed, _ = resource.getrlimit(getattr(resource, name))
        if allowed != resource.RLIM_INFINITY and allowed < least:
            yield f"{what}: {allowed} allowed ({command}); expected at least {least}"


def _gpu(jobs: list[Any]) -> Iterator[str]:
    if not any(job.resources.get("gpu") for job in jobs):
        return
    from torch import cuda  # noqa: PLC0415 - takes seconds; only a search on a GPU needs it here

    if not cuda.is_available():
        yield "search.device is cuda, but torch finds no GPU; choose auto or cpu"
