"""Keeps Snakemake and DVC consistent about the files of a working copy."""

import fcntl
import os
import pwd
import re
import socket
import time
from pathlib import Path
from typing import IO, Any

import snakemake.exceptions
from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from support import cluster, copies, damage, receipts, stages

RESULTS = Path("results")
UNFINISHED = Path(".unfinished")  # state of long jobs, see job.unfinished
LOCKS = Path(".snakemake/locks")
RUN = Path(".snakemake/run.flock")  # locked by the current run; holds the name of its machine
OCCUPIED = "another snakemake is running in this directory: try again when it has ended"
HALF_WRITTEN = re.compile(r"\..+\.(\d+\.tmp|copy)")  # temporary files


def set_environment(root: Path) -> None:
    """Set the folder of finished jobs, and the library that jobs import."""
    finished = copies.original(Path.cwd()) / ".jobcache"  # shared by the copies of experiments
    os.environ.setdefault("SNAKEMAKE_OUTPUT_CACHE", str(finished))
    # Takes precedence over an installed wpl, which in such a copy would be the main copy's.
    os.environ["PYTHONPATH"] = f"{root / 'src'}{os.pathsep}{root / 'workflow/startup'}"
    os.environ["WORKFLOW_PID"] = str(os.getpid())
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:  # Snakemake needs it; a user id without a passwd entry has no name
        os.environ.setdefault("LOGNAME", "user")


_run_lock: IO[str] | None = None


def _try_lock() -> IO[str]:
    """Take the lock, which the kernel releases when this process ends, however it ends."""
    Path(".snakemake").mkdir(exist_ok=True)
    handle = RUN.open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        raise
    return handle


def lock() -> None:
    """Lock this working copy against a second run, and end jobs left by an earlier one.

    Raises:
        WorkflowError: If another run holds the lock.
    """
    global _run_lock  # noqa: PLW0603 - the lock lasts as long as the process
    try:
        _run_lock = _try_lock()
    except BlockingIOError:
        raise WorkflowError(OCCUPIED) from None
    except OSError:
        return  # a network file system without such locks; only Snakemake's own remain
    _run_lock.truncate(0)
    _run_lock.write(socket.gethostname())
    _run_lock.flush()
    cluster.cancel_left()


def heal(root: Path) -> None:
    """Repair the working copy after a killed run or a power failure, if no run is active.

    Locks and partially written files are removed, as are results that are damaged or have a broken
    record, so that they are made again. Modification times in the future are set to now, as
    Snakemake fails jobs with inputs newer than their outputs. Files of a run on another machine are
    left alone, as not every network file system shows whether that run is active.
    """
    # Its own message advises --unlock, which is never needed after this, and harms an active run.
    snakemake.exceptions.LockException = lambda: WorkflowError(f"error: {OCCUPIED}")
    try:
        handle = _try_lock()
    except OSError:
        return
    with handle:
        handle.seek(0)
        if handle.read() not in {"", socket.gethostname()}:
            return
        for stale in LOCKS.glob("*.lock"):
            stale.unlink()
        stages.drop_replaced()
        damage.remove_damaged()
        for records in (stages.WORKING, stages.RECORDED):
            damage.remove_unrecorded(records, RESULTS)
        for removed in receipts.remove_changed(root):
            logger.warning(f"{removed} is not as its job wrote it: removed, to be made anew")
        for file in (*RESULTS.rglob("*"), *UNFINISHED.rglob(".*")):
            if HALF_WRITTEN.fullmatch(file.name):
                file.unlink()
            elif file.is_file() and file.stat().st_mtime > time.time():
                os.utime(file)


def check(root: Path) -> None:
    """Raise an error for results without records, or that are links into DVC's cache.

    Raises:
        WorkflowError: With the command that repairs it.
    """
    made = {stages.stage_of(str(file), root) for file in RESULTS.rglob("*.safetensors")}
    for stage in sorted(made - {None}):
        records = stages.records_of(stage)
        record = next((p for p in records.rglob("*") if not p.is_dir()), None)
        if record is None:
            raise WorkflowError(
                f"results of stage {stage} are there without {stages.RECORDED / stage}, the record "
                "of which params and code made them: run `dvc checkout` (or `dvc pull`), or delete "
                "results/"
            )
        if record.is_symlink() or record.stat().st_nlink > 1:
            raise WorkflowError(
                "results/ are links into DVC's cache, which Snakemake would overwrite: run "
                "`dvc config --local cache.type reflink,copy && dvc checkout --relink`"
            )


def prune(workflow: Any, root: Path) -> list[str]:
    """Remove results that no current parameter asks for, after a run of everything or of a stage.

    Only files that the workflow made are removed, and partially written ones; other files are not
    touched. A partial run (a target, ``--until``, ``--batch``) removes nothing. Folders that DVC
    versions are kept even if empty.

    Returns:
        The files removed.
    """
    covered, of_stage = stages.covered(workflow, root), stages.outputs(root)
    if not covered:
        return []
    everything = covered == set(of_stage.values())
    outs = [Path(path) for path, stage in of_stage.items() if stage in covered]
    folders = [out for out in outs if RESULTS in out.parents and not out.suffix]
    wanted = {str(output) for job in workflow.dag.jobs for output in job.output}
    removed = []
    for path in sorted(RESULTS.rglob("*"), reverse=True):
        if not everything and stages.stage_of(str(path), root) not in covered:
            continue
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()) and path not in folders:
                path.rmdir()
        elif str(path) not in wanted and (
            HALF_WRITTEN.fullmatch(path.name) or workflow.persistence._delete_record(str(path))
        ):
            path.unlink()
            removed.append(str(path))
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    return removed
