"""What every script does around its one call of the library."""

import contextlib
import hashlib
import json
import logging
import os
import select
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Run the body of a script: output to its log, errors in one line, no life without Snakemake.

    What a user can mend (parameters, data, files, disk, a diverging training) ends in one line
    that names the culprit; anything else is a fault of ours, and its traceback is kept.
    """
    _end_with(int(os.environ["WORKFLOW_PID"]))
    if "torch" in sys.modules:
        # Sums round differently on another number of threads, which Snakemake does not see.
        sys.modules["torch"].set_num_threads(1)
    name = " ".join([snakemake.rule, *(f"{k}={v}" for k, v in snakemake.wildcards.items())])
    log = Path(snakemake.log[0])
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", buffering=1) as stream:
        stream.write(f"{name}\n")
        logging.basicConfig(stream=stream, level=logging.INFO, format="%(message)s", force=True)
        start = time.perf_counter()
        try:
            with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
                yield
        except (ValueError, FloatingPointError, OSError) as error:
            fault = f"{name}: {error}"
            traceback.print_exc(file=stream)
        except Exception:
            fault = f"{name}: {traceback.format_exc()}"
            stream.write(fault)
        else:
            stream.write(f"done in {time.perf_counter() - start:.1f} s\n")
            return
    sys.stderr.write(f"error: {fault}\n")
    sys.exit(1)


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
