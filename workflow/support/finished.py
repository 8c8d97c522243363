"""A cache of finished jobs, which need not run again when their params return."""

import shutil
from pathlib import Path
from typing import Any

import snakemake.api  # imports snakemake.workflow; the reverse order fails
from snakemake.caching.local import OutputFileCache
from snakemake.logging import logger

from support.checksum import sha256


class FinishedJobs(OutputFileCache):
    """Snakemake's cache of finished jobs, with copies of results instead of links.

    Each copy has a checksum, and is not used if it is damaged. If results cannot be cached, because
    the disk is full or the folder is not writable, the job has finished all the same.
    """

    async def exists(self, job: Any) -> bool:
        """Tell whether all results of a job are cached and undamaged."""
        return all(is_sound(kept) for _, kept in await self.get_outputfiles_and_cachefiles(job))

    async def fetch(self, job: Any) -> None:
        """Copy the results of a job from the cache.

        Raises:
            CacheMissException: If one is missing or damaged.
        """
        if not await self.exists(job):
            self.raise_cache_miss_exception(job)
        for output, kept in await self.get_outputfiles_and_cachefiles(job):
            _copy(kept, output)

    async def store(self, job: Any) -> None:
        """Add the results of a job to the cache."""
        for output, kept in await self.get_outputfiles_and_cachefiles(job):
            keep(output, kept)

    async def names(self, job: Any) -> dict[str, str]:
        """Return the cached file of each result of a job."""
        files = await self.get_outputfiles_and_cachefiles(job)
        return {str(output): kept.name for output, kept in files}


def install() -> None:
    """Make Snakemake use this cache."""
    snakemake.workflow.LocalOutputFileCache = FinishedJobs


def keep(result: Path, kept: Path) -> None:
    """Add a result to the cache; warn if that fails."""
    try:
        _checksum_of(kept).unlink(missing_ok=True)
        _copy(result, kept)
        _checksum_of(kept).write_text(sha256(kept), "ascii")
    except OSError as error:
        logger.warning(f"{result} is not kept for later: {error.strerror}: {error.filename}")


def is_sound(kept: Path) -> bool:
    """Tell whether a cached result can be read and has its checksum."""
    try:
        return _checksum_of(kept).read_text("ascii") == sha256(kept)
    except OSError:
        return False


def _copy(source: Path, target: Path) -> None:
    """Copy a file atomically."""
    temporary = target.with_name(f".{target.name}.copy")
    try:
        shutil.copyfile(source, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _checksum_of(kept: Path) -> Path:
    return kept.with_name(f"{kept.name}.sha256")
