"""What makes Snakemake and DVC agree about the files in one working copy."""

import base64
import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import snakemake.exceptions
from snakemake.exceptions import WorkflowError

RESULTS = Path("results")
UNFINISHED = Path(".unfinished")  # where job.unfinished keeps how far long jobs are
DAMAGED = Path(".snakemake/damaged")  # what job.job writes of inputs that it finds damaged
METADATA = Path(".snakemake/metadata")
LOCKS = Path(".snakemake/locks")
OCCUPIED = "error: another snakemake is running in this directory: try again when it has ended"
HALF_WRITTEN = re.compile(r"\..+\.(\d+\.tmp|copy)")  # as files.atomic and materialise name them


def set_environment(root: Path) -> None:
    """Say where finished jobs are shared, and which library the jobs import."""
    # DVC runs experiments in copies below .dvc/tmp/exps: they share the main copy's finished jobs.
    main = Path(str(Path.cwd()).split(f"{os.sep}.dvc{os.sep}tmp{os.sep}exps")[0])
    finished = os.environ.setdefault("SNAKEMAKE_OUTPUT_CACHE", str(main / ".jobcache"))
    if "://" not in finished:
        Path(finished).mkdir(parents=True, exist_ok=True)
    # Wins over an installed wpl, which in such a copy would be the main copy's.
    os.environ["PYTHONPATH"] = str(root / "src")
    os.environ["WORKFLOW_PID"] = str(os.getpid())
    os.environ.setdefault("LOGNAME", "user")  # Snakemake asks; a bare user id has no name


_run_lock: IO[str] | None = None


def _try_lock() -> IO[str] | None:
    """Take the lock that the kernel drops when this process dies, however it dies."""
    Path(".snakemake").mkdir(exist_ok=True)
    handle = Path(".snakemake/run.flock").open("w")  # noqa: SIM115 - held as long as the process
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        return None
    return handle


def lock() -> None:
    """Keep a second run out of this working copy.

    Raises:
        WorkflowError: If another run holds the lock.
    """
    global _run_lock  # noqa: PLW0603 - the lock lasts as long as the process
    _run_lock = _try_lock()
    if _run_lock is None:
        raise WorkflowError(OCCUPIED)


def heal() -> None:
    """Put right what a run that was killed, or a loss of power, left behind, if no run is alive.

    Locks and half-written files go; results that are still links become files. Results whose record
    is broken, and those that a job found damaged, are removed and so made anew. Dates in the future
    become now: Snakemake fails jobs whose inputs are younger than they are.
    """
    # Its own message advises --unlock, which after this is needed never, and harms a run alive.
    snakemake.exceptions.LockException = lambda: WorkflowError(OCCUPIED)
    handle = _try_lock()
    if handle is None:
        return
    with handle:
        for stale in LOCKS.glob("*.lock"):
            stale.unlink()
        _remove_damaged()
        _remove_unrecorded()
        for file in (*RESULTS.rglob("*"), *UNFINISHED.glob(".*")):
            if HALF_WRITTEN.fullmatch(file.name):
                file.unlink()
            elif file.is_file():
                _as_files([file])
                if file.stat().st_mtime > time.time():
                    os.utime(file)


def _remove_damaged() -> None:
    """Remove files that are as damaged as a job found them; one that was mended since is kept."""
    finished = Path(os.environ["SNAKEMAKE_OUTPUT_CACHE"])
    for line in DAMAGED.read_text("utf-8").splitlines() if DAMAGED.exists() else ():
        digest, _, name = line.partition(" ")
        for file in (Path(name), *finished.glob(f"*{Path(name).suffix}")):
            if file.is_file() and _sha256(file) == digest:
                file.unlink()
    DAMAGED.unlink(missing_ok=True)


def _remove_unrecorded() -> None:
    """Remove results whose record was cut short: Snakemake would not see a change of params."""
    for record in METADATA.rglob("*"):
        if record.is_file() and not record.read_bytes().endswith(b"}"):
            # A long name is cut into folders that begin with @: snakemake/persistence/file.py.
            key = "".join(part.removeprefix("@") for part in record.relative_to(METADATA).parts)
            result = Path(base64.urlsafe_b64decode(key).decode())
            if result.parts[0] == RESULTS.name:
                result.unlink(missing_ok=True)
            record.unlink()


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check() -> None:
    """Refuse results whose making is unknown, or that are links into DVC's cache.

    Raises:
        WorkflowError: With the command that mends it.
    """
    record = next((p for p in METADATA.rglob("*") if p.is_symlink() or p.is_file()), None)
    if record is None and any(RESULTS.rglob("*.safetensors")):
        raise WorkflowError(
            "results/ is there without .snakemake/metadata, the record of which params and code "
            "made it: run `dvc checkout` (or `dvc pull`), or delete results/"
        )
    if record is not None and (record.is_symlink() or record.stat().st_nlink > 1):
        raise WorkflowError(
            "results/ are links into DVC's cache, which Snakemake would overwrite: run "
            "`dvc config --local cache.type reflink,copy && dvc checkout --relink`"
        )


def materialise(dag: Any) -> None:
    """Turn outputs that are links to finished jobs into files, as git and DVC want them."""
    _as_files(Path(output) for job in dag.jobs for output in job.output)


def _as_files(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_symlink() and path.is_file():
            temporary = path.with_name(f".{path.name}.copy")
            shutil.copyfile(path, temporary)
            temporary.replace(path)


def prune(workflow: Any) -> list[str]:
    """Remove results that no current parameter asks for, after a run of everything.

    Only what the workflow made is removed, with what a killed job left half-written; other files
    are their owner's. A run of a part (a target, ``--until``, ``--batch``) removes nothing.

    Returns:
        The files removed.
    """
    dag = workflow.dag
    if workflow.dag_settings.batch or not any(job.rule.name == "all" for job in dag.jobs):
        return []
    wanted = {str(output) for job in dag.jobs for output in job.output}
    removed = []
    for path in sorted(RESULTS.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif str(path) not in wanted and (
            HALF_WRITTEN.fullmatch(path.name) or workflow.persistence._delete_record(str(path))
        ):
            path.unlink()
            removed.append(str(path))
    return removed
