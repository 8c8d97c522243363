"""Time the overhead of Snakemake and DVC per job, and runs that have nothing to do.

    python benchmarks/growth.py [jobs ...]

Makes a workflow of many trivial jobs (10, 100 and 1,000) with the project's checks, digests, locks,
profile and DVC stage in a temporary folder, and times it there. The script of a job only starts
Python and imports the modules that every script of the project imports.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
CORES = 2
SNAKEFILE = """
configfile: "params.yaml"
include: "workflow/rules/common.smk"

rule train_one:
    output:
        "results/train_one/{n}.json",
    log:
        "logs/train_one/{n}.log",
    cache: True
    params:
        n=lambda wc: int(wc.n),
        alpha=config["wpl"]["alpha"],
        code=code("train_one"),
    script:
        "workflow/scripts/train_one.py"

rule evaluate_all:
    input:
        expand(rules.train_one.output, n=range(JOBS - 1)),
    output:
        "results/evaluate_all/count.json",
    log:
        "logs/evaluate_all.log",
    params:
        code=code("train_one"),
    script:
        "workflow/scripts/train_one.py"

rule all:
    default_target: True
    input:
        rules.evaluate_all.output,
"""
SCRIPT = """
from job import job
from wpl_lab.io.files import save_json

with job(snakemake):
    save_json(snakemake.output[0], {"inputs": len(snakemake.input)})
"""
STAGE = """
stages:
  workflow:
    cmd: snakemake --cores 2 --quiet rules host
    params: [params.yaml: ]
    outs:
      - results/train_one: {persist: true}
      - .snakemake/metadata: {persist: true}
    metrics:
      - results/evaluate_all/count.json: {persist: true, cache: false}
"""
RUNS = (
    ("first run", f"snakemake --cores {CORES}"),
    ("nothing to do", f"snakemake --cores {CORES}"),
    ("dvc repro, records it", "dvc repro"),
    ("dvc repro, nothing to do", "dvc repro"),
    ("dvc push to a folder", "dvc push"),
    ("dvc exp run, all changes", "dvc exp run -S wpl.alpha=3"),
    ("dvc exp run, all restored", "dvc exp run -S wpl.alpha=1000.0"),
)


def make(folder: Path, jobs: int) -> None:
    for name in ("workflow/rules/common.smk", "workflow/scripts/job.py", "params.yaml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for name in ("src", "profiles", "workflow/support"):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in (".gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "Snakefile").write_text(SNAKEFILE.replace("JOBS", str(jobs)))
    (folder / "workflow/scripts/train_one.py").write_text(SCRIPT)
    (folder / "dvc.yaml").write_text(STAGE)
    run("git init -q && dvc init -q", folder)
    shutil.copy(ROOT / ".dvc/config", folder / ".dvc/config")
    run(f"dvc remote add -q -d store {folder.parent / 'store'}", folder)
    run("git add -A && git commit -q -m start", folder)


def run(command: str, folder: Path) -> float:
    author = {
        f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    start = time.perf_counter()
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=os.environ | author,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{command}\n{done.stdout}\n{done.stderr}")
    return time.perf_counter() - start


def alone(folder: Path) -> float:
    """Time the process of a job alone, in seconds: the median of 9."""
    command = f"PYTHONPATH=src:workflow/scripts {sys.executable} -c 'import job, wpl_lab.io.files'"
    return sorted(run(command, folder) for _ in range(9))[4]


def main() -> None:
    for jobs in map(int, sys.argv[1:] or (10, 100, 1000)):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "project"
            make(folder, jobs)
            bare = alone(folder)
            print(
                f"{jobs} jobs; the process of one takes {bare:.2f} s, {CORES} at a time", flush=True
            )
            for name, command in RUNS:
                seconds = run(command, folder)
                print(
                    f"  {name:26} {seconds:7.1f} s {1000 * seconds / jobs:8.0f} ms a job",
                    flush=True,
                )


if __name__ == "__main__":
    main()
