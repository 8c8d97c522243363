"""Time the main job, and runs that have nothing to do.

    python benchmarks/main_job.py

Clones the project into a temporary folder and times there: the first run of each stage and their
sum; a run with nothing to do; a run after a change of `wpl.alpha`; `dvc repro`, which records the
results; and a second `dvc repro`.
"""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def seconds(command: str, folder: Path) -> float:
    start = time.perf_counter()
    subprocess.run(command, shell=True, check=True, cwd=folder, **QUIET)
    return time.perf_counter() - start


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "project"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
        shutil.rmtree(folder / "results", ignore_errors=True)
        run = "snakemake --cores all"
        stages = yaml.safe_load((folder / "dvc.yaml").read_text())["stages"]
        rows = [
            (f"stage {name}", seconds(f"snakemake {name} --cores all", folder)) for name in stages
        ]
        first = sum(time_taken for _, time_taken in rows)
        rows += [("first run, all stages", first), ("nothing to do", seconds(run, folder))]
        params = folder / "params.yaml"
        params.write_text(params.read_text().replace("  alpha: 1000.0", "  alpha: 300.0", 1))
        rows.append(("after a change of wpl.alpha", seconds(run, folder)))
        rows.append(("dvc repro, records it", seconds("dvc repro", folder)))
        rows.append(("dvc repro, nothing to do", seconds("dvc repro", folder)))
        for name, time_taken in rows:
            print(f"{name:28} {time_taken:6.1f} s  {time_taken / first:5.0%} of the first run")


if __name__ == "__main__":
    main()
