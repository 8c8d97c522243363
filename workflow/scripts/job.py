"""The common frame of all scripts: log, progress, errors, and resumption."""

import contextlib
import hashlib
import json
import logging
import os
import resource
import select
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from wpl_lab.progress import LOGGER, report


@contextlib.contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Run the body of a script: output goes to its log, errors become one line.

    Errors that a user can fix (parameters, data, files, disk, diverging training) are reported in
    one line that names the cause; anything else is a bug, and its traceback is kept. A damaged
    input is made again by the next run. The process ends when Snakemake does.
    """
    _end_with(int(os.environ["WORKFLOW_PID"]))
    if "torch" in sys.modules:
        # Rounding depends on the number of threads, which Snakemake does not track.
        sys.modules["torch"].set_num_threads(1)
    name = " ".join([snakemake.rule, *(f"{k}={v}" for k, v in snakemake.wildcards.items())])
    start = time.perf_counter()
    try:
        with _log(Path(snakemake.log[0])) as log, _progress(snakemake):
            log.write(f"{name}\n")
            try:
                yield
            except BaseException:
                with contextlib.suppress(OSError):  # the disk may be full
                    traceback.print_exc(file=log)
                raise
            used = _used(time.perf_counter() - start)
            log.write("done in {seconds} s; peak: {peak_mb} MB\n".format(**used))
            report(**used)
    except (ValueError, FloatingPointError, OSError) as error:
        fault = " ".join(f"{error}{_remedy(error, snakemake.input)}".split())
    except Exception:
        fault = traceback.format_exc()
    else:
        return
    sys.stderr.write(f"error: {name}: {fault}\n")
    with _progress(snakemake):
        report(fault=f"error: {name}: {fault}")
    sys.exit(1)


@contextlib.contextmanager
def _log(path: Path) -> Iterator[IO[str]]:
    """Redirect output, log messages and warnings to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", buffering=1) as log:
        logging.basicConfig(stream=log, level=logging.INFO, format="%(message)s", force=True)
        try:
            with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
                yield log
        finally:
            logging.getLogger().handlers.clear()


@contextlib.contextmanager
def _progress(snakemake: Any) -> Iterator[None]:
    """Append the progress that the library reports to logs/progress.jsonl, a line per step."""
    about = {"rule": snakemake.rule, "wildcards": dict(snakemake.wildcards.items())}

    class Lines(logging.FileHandler):
        def format(self, record: logging.LogRecord) -> str:
            now = {"time": round(time.time(), 1)}
            return json.dumps(now | about | json.loads(record.getMessage()))

    try:
        handler: logging.Handler = Lines("logs/progress.jsonl", encoding="utf-8")
    except OSError:  # only for display: nothing depends on it
        handler = logging.NullHandler()
    logger = logging.getLogger(LOGGER)
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


def _used(seconds: float) -> dict[str, float]:
    """Measure the job's duration, processor time and peak memory."""
    try:  # the peak of this program; getrusage includes its parent
        status = Path("/proc/self/status").read_text("utf-8")
        kilobytes = int(status.partition("VmHWM:")[2].split()[0])
    except (OSError, IndexError):  # Linux only; macOS counts bytes
        kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {
        "seconds": round(seconds, 1),
        "processor_seconds": round(sum(os.times()[:4]), 1),
        "peak_mb": kilobytes // 1024,
    }


def _remedy(error: Exception, inputs: Iterable[str]) -> str:
    """Record a damaged input, so that the next run makes it again; return a hint for the error."""
    path = Path(getattr(error, "path", ""))
    if str(path) not in inputs or path.parts[0] != "results":
        return ""
    note = f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path}\n"
    with Path(".snakemake/damaged").open("a", encoding="utf-8") as notes:
        notes.write(note)
    return "; run again to have it made anew"


@contextlib.contextmanager
def unfinished(snakemake: Any) -> Iterator[Path]:
    """Provide a folder for the state of a long job, from which it resumes after an interruption.

    The folder is named after the job's params and the content of its inputs, so that only the same
    job finds it. It is removed when the job has finished.

    Yields:
        The path of the folder, which may not exist yet.
    """
    identity = hashlib.sha256(json.dumps(dict(snakemake.params.items()), sort_keys=True).encode())
    for file in snakemake.input:
        with Path(file).open("rb") as stream:
            identity.update(hashlib.file_digest(stream, "sha256").digest())
    path = Path(".unfinished") / f"{snakemake.rule}-{identity.hexdigest()[:32]}"
    yield path
    shutil.rmtree(path, ignore_errors=True)


def _end_with(pid: int) -> None:
    """End this process when the given one ends, so that no job outlives Snakemake."""
    if not hasattr(os, "pidfd_open"):  # Linux only
        return
    workflow = os.pidfd_open(pid)

    def wait() -> None:
        select.select([workflow], [], [])
        os._exit(143)

    threading.Thread(target=wait, daemon=True).start()
