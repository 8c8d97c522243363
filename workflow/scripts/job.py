"""What every script does around its one call of the library."""

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
    """Run the body of a script: output to its log, errors in one line, no life without Snakemake.

    What a user can mend (parameters, data, files, disk, a diverging training) ends in one line
    that names the culprit; anything else is a fault of ours, and its traceback is kept. An input
    that is damaged is made anew by the next run.
    """
    _end_with(int(os.environ["WORKFLOW_PID"]))
    if "torch" in sys.modules:
        # Sums round differently on another number of threads, which Snakemake does not see.
        sys.modules["torch"].set_num_threads(1)
    name = " ".join([snakemake.rule, *(f"{k}={v}" for k, v in snakemake.wildcards.items())])
    start = time.perf_counter()
    try:
        with _log(Path(snakemake.log[0])) as log, _progress(snakemake):
            log.write(f"{name}\n")
            try:
                yield
            except BaseException:
                with contextlib.suppress(OSError):  # a full disk has no room for it either
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
    """Send what is printed, logged and warned of to a file."""
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
    """Add what the library reports of its progress to logs/progress.jsonl, a line for each step."""
    about = {"rule": snakemake.rule, "wildcards": dict(snakemake.wildcards.items())}

    class Lines(logging.FileHandler):
        def format(self, record: logging.LogRecord) -> str:
            now = {"time": round(time.time(), 1)}
            return json.dumps(now | about | json.loads(record.getMessage()))

    try:
        handler: logging.Handler = Lines("logs/progress.jsonl", encoding="utf-8")
    except OSError:  # it is there to be watched, and nothing depends on it
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
    """Measure what this job took: time since it began, of all its processors, and memory."""
    try:  # the peak of this program; getrusage counts what started it, too
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
    """Leave a note for the next run, if a result of an earlier job is not as that job wrote it."""
    path = Path(getattr(error, "path", ""))
    if str(path) not in inputs or path.parts[0] != "results":
        return ""
    note = f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path}\n"
    with Path(".snakemake/damaged").open("a", encoding="utf-8") as notes:
        notes.write(note)
    return "; run again to have it made anew"


@contextlib.contextmanager
def unfinished(snakemake: Any) -> Iterator[Path]:
    """Give a long job a folder to keep where it stands; when it is killed, the next try finds it.

    The folder is named by what makes the job's result, its params and the content of its inputs: it
    is found by the same job only. It is removed when the job is done.

    Yields:
        The folder's path; it may not be there yet.
    """
    identity = hashlib.sha256(json.dumps(dict(snakemake.params.items()), sort_keys=True).encode())
    for file in snakemake.input:
        with Path(file).open("rb") as stream:
            identity.update(hashlib.file_digest(stream, "sha256").digest())
    path = Path(".unfinished") / f"{snakemake.rule}-{identity.hexdigest()[:32]}"
    yield path
    shutil.rmtree(path, ignore_errors=True)


def _end_with(pid: int) -> None:
    """End this process when the given one ends: a killed Snakemake leaves no orphan that writes."""
    if not hasattr(os, "pidfd_open"):  # Linux only
        return
    workflow = os.pidfd_open(pid)

    def wait() -> None:
        select.select([workflow], [], [])
        os._exit(143)

    threading.Thread(target=wait, daemon=True).start()
