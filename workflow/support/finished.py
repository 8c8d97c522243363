"""Finished jobs, kept in a folder so that they are not run again when their params return."""

import shutil
from pathlib import Path
from typing import Any

import snakemake.api  # which imports snakemake.workflow; the other way round fails
from snakemake.caching.local import OutputFileCache
from snakemake.logging import logger

from support.checksum import sha256


class FinishedJobs(OutputFileCache):
    """Snakemake's cache of finished jobs, but with copies of results in place of links.

    Each copy has its checksum beside it; one that is damaged is not used. A job whose results
    cannot be kept, because the disk is full or the folder not writable, has still finished.
    """

    async def exists(self, job: Any) -> bool:
        """Tell whether all results of a job are kept, and sound."""
        return all(is_sound(kept) for _, kept in await self.get_outputfiles_and_cachefiles(job))

    async def fetch(self, job: Any) -> None:
        """Copy the results of a job from where they are kept.

        Raises:
            CacheMissException: If one is not there, or not as it was.
        """
        if not await self.exists(job):
            self.raise_cache_miss_exception(job)
        for output, kept in await self.get_outputfiles_and_cachefiles(job):
            _copy(kept, output)

    async def store(self, job: Any) -> None:
        """Keep the results of a job that has run."""
        for output, kept in await self.get_outputfiles_and_cachefiles(job):
            keep(output, kept)

    async def names(self, job: Any) -> dict[str, str]:
        """Name the files in which the results of a job are kept, by result."""
        files = await self.get_outputfiles_and_cachefiles(job)
        return {str(output): kept.name for output, kept in files}


def install() -> None:
    """Make Snakemake keep finished jobs in this way."""
    snakemake.workflow.LocalOutputFileCache = FinishedJobs


def keep(result: Path, kept: Path) -> None:
    """Keep a result; if that fails, only a warning is given."""
    try:
        _checksum_of(kept).unlink(missing_ok=True)
        _copy(result, kept)
        _checksum_of(kept).write_text(sha256(kept), "ascii")
    except OSError as error:
        logger.warning(f"{result} is not kept for later: {error.strerror}: {error.filename}")


def is_sound(kept: Path) -> bool:
    """Tell whether a kept result can be read and is as it was."""
    try:
        return _checksum_of(kept).read_text("ascii") == sha256(kept)
    except OSError:
        return False


def _copy(source: Path, target: Path) -> None:
    """Copy a file, whole or not at all."""
    temporary = target.with_name(f".{target.name}.copy")
    try:
        shutil.copyfile(source, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _checksum_of(kept: Path) -> Path:
    return kept.with_name(f"{kept.name}.sha256")
