"""Jobs on a cluster outlive a Snakemake that was killed."""

import shutil
import subprocess
import time
from pathlib import Path

LOGS = ".snakemake/slurm_logs"  # where Slurm writes what a job of this working copy prints


def cancel_left(patience: float = 60.0) -> None:
    """End Slurm jobs that an earlier run of this working copy left: they still write results.

    At once, by SIGKILL: the Snakemake on the node would remove the files of a job that failed,
    which may be the next run's by then.
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
