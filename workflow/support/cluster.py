"""Cancels jobs on a cluster that outlive a killed Snakemake."""

import shutil
import subprocess
import time
from pathlib import Path

LOGS = ".snakemake/slurm_logs"  # output of this working copy's jobs on Slurm


def cancel_left(patience: float = 60.0) -> None:
    """Cancel Slurm jobs of an earlier run of this working copy, which would still write results.

    They are ended by SIGKILL: the Snakemake on the node would otherwise remove the outputs of the
    failed job, which may be those of the next run by then.
    """
    end = time.monotonic() + patience
    while (left := _left()) and time.monotonic() < end:
        subprocess.run(["scancel", "--quiet", "--full", "--signal=KILL", *left], check=False)
        subprocess.run(["scancel", "--quiet", "--state=PENDING", *left], check=False)
        time.sleep(0.5)


def _left() -> list[str]:
    if shutil.which("squeue") is None:
        return []
    listed = subprocess.run(
        ["squeue", "--me", "--noheader", "--array", "--Format=JobArrayID:40,STDOUT:4096"],
        capture_output=True,
        text=True,
        check=False,  # no cluster answers: there is nothing to cancel
    )
    here = str(Path(LOGS).resolve())
    jobs = (line.split(maxsplit=1) for line in listed.stdout.splitlines())
    return [job for job, output in jobs if output.startswith(here)]
