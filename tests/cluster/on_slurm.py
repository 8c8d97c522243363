"""The workflow on a real Slurm cluster of one node, started by tests/cluster/slurm.sh."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from workspace import Workspace, wait_until

RUN = "SNAKEMAKE_PROFILE=profiles/slurm snakemake --cores all"


def on_slurm(folder):
    """Return the records of Slurm about the jobs of a working copy, by rule and wildcards."""
    shown = subprocess.check_output(["scontrol", "show", "jobs", "--oneliner"], text=True)
    jobs = (dict(w.split("=", 1) for w in line.split() if "=" in w) for line in shown.splitlines())
    return [job for job in jobs if job.get("WorkDir") == str(folder)]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """Return the project with all results made without Slurm."""
    workspace = Workspace.create(tmp_path_factory.mktemp("here") / "project")
    workspace("snakemake --cores all --quiet all")
    return workspace


def project(path):
    """Make a working copy in which nothing has run."""
    workspace = Workspace.create(path)
    with (path / "profiles/slurm/config.yaml").open("a") as profile:
        # Without accounting, the queue lists jobs that have ended.
        profile.write("slurm-status-command: squeue\n")
        profile.write("slurm-init-seconds-before-status-checks: 2\n")
        profile.write("seconds-between-status-checks: 2\n")
    workspace("git commit --quiet --all --message profile")
    return workspace


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """Return the project with all results made on Slurm by DVC."""
    workspace = project(tmp_path_factory.mktemp("there") / "project")
    workspace("SNAKEMAKE_PROFILE=profiles/slurm dvc exp run --quiet")
    return workspace


def test_every_job_runs_on_slurm_with_the_same_results(here, there):
    jobs = on_slurm(there.path)
    assert len(jobs) == len(here.ran()) > 20
    assert {job["JobState"] for job in jobs} == {"COMPLETED"}
    assert there.results() == here.results()


def test_nothing_is_left_to_do_with_or_without_slurm(there):
    assert "Nothing to be done" in there("snakemake --cores all")
    assert "Nothing to be done" in there(RUN)
    assert "didn't change" in there("dvc repro")


def test_jobs_left_by_a_killed_run_are_cancelled(tmp_path):
    here = project(tmp_path / "project")
    here.set("first.iterations", 20_000)  # so that it is still training when the run is repeated
    first = "results/train_first/from0/models.safetensors"
    run = subprocess.Popen(
        f"{RUN} {first}",
        shell=True,
        cwd=here.path,
        env=here.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_until((here.path / "logs/train_first/from0.log").exists, run)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    left = {job["JobId"] for job in on_slurm(here.path) if job["JobState"] == "RUNNING"}
    assert left
    here(f"{RUN} {first}")
    jobs = {job["JobId"]: job["JobState"] for job in on_slurm(here.path)}
    assert {jobs[job] for job in left} == {"CANCELLED"}
    assert "Nothing to be done" in here(f"snakemake --cores 1 {first}")


def test_a_search_on_a_gpu_has_one_of_its_own(tmp_path):
    here = project(tmp_path / "project")
    here.set("search.device", "cuda")
    target = "results/search_cells/text/small/enas/none/from0/scores.csv"
    printed = here(f"{RUN} --retries 0 --latency-wait 5 {target}", fails=True)
    assert "device is cuda, but torch finds no GPU" in printed  # it is only counted
    asked = {
        job["Comment"].split("_wildcards")[0]: job.get("TresPerJob") for job in on_slurm(here.path)
    }
    assert asked == {"rule_prepare_text": None, "rule_search_cells": "gres:gpu:1"}
