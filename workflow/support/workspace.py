"""What makes Snakemake and DVC agree about the files in one working copy."""

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
UNFINISHED = Path(".unfinished")  # where job.unfinished keeps how far long jobs are
LOCKS = Path(".snakemake/locks")
RUN = Path(".snakemake/run.flock")  # of the run that is alive; holds its machine's name
OCCUPIED = "error: another snakemake is running in this directory: try again when it has ended"
HALF_WRITTEN = re.compile(r"\..+\.(\d+\.tmp|copy)")  # as files.atomic and finished name them


def set_environment(root: Path) -> None:
    """Say where finished jobs are shared, and which library the jobs import."""
    finished = copies.original(Path.cwd()) / ".jobcache"  # shared by the copies of experiments
    os.environ.setdefault("SNAKEMAKE_OUTPUT_CACHE", str(finished))
    # Wins over an installed wpl, which in such a copy would be the main copy's.
    os.environ["PYTHONPATH"] = f"{root / 'src'}{os.pathsep}{root / 'workflow/startup'}"
    os.environ["WORKFLOW_PID"] = str(os.getpid())
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:  # Snakemake asks; a bare user id has no name
        os.environ.setdefault("LOGNAME", "user")


_run_lock: IO[str] | None = None


def _try_lock() -> IO[str]:
    """Take the lock that the kernel drops when this process dies, however it dies."""
    Path(".snakemake").mkdir(exist_ok=True)
    handle = RUN.open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        raise
    return handle


def lock() -> None:
    """Keep a second run out of this working copy, and end what is left of an earlier one.

    Raises:
        WorkflowError: If another run holds the lock.
    """
    global _run_lock  # noqa: PLW0603 - the lock lasts as long as the process
    try:
        _run_lock = _try_lock()
    except BlockingIOError:
        raise WorkflowError(OCCUPIED) from None
    except OSError:
        return  # a network file system without such locks; Snakemake's own are all there is
    _run_lock.truncate(0)
    _run_lock.write(socket.gethostname())
    _run_lock.flush()
    cluster.cancel_left()


def heal(root: Path) -> None:
    """Put right what a run that was killed, or a loss of power, left behind, if no run is alive.

    Locks and half-written files go. Results whose record is broken, and those that are not as their
    job wrote them, are removed and so made anew. Dates in the future become now: Snakemake fails
    jobs whose inputs are younger than they are. What another machine left stays: not every network
    file system shows us that its run is alive.
    """
    # Its own message advises --unlock, which after this is needed never, and harms a run alive.
    snakemake.exceptions.LockException = lambda: WorkflowError(OCCUPIED)
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
    """Refuse results whose making is unknown, or that are links into DVC's cache.

    Raises:
        WorkflowError: With the command that mends it.
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

    Only what the workflow made is removed, with what a killed job left half-written; other files
    are their owner's. A run of less (a target, ``--until``, ``--batch``) removes nothing. The
    folders that DVC versions stay, though empty.

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
