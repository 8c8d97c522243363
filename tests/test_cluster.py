"""The workflow on a cluster, tested without one: the resources that its jobs request."""

import fcntl
import os
import re
import socket
import urllib.request

import pytest
import yaml
from workspace import ROOT, RULES, Workspace, table

from support import workspace as support


@pytest.fixture
def slurm(tmp_path):
    """Write fake Slurm commands, which submit nothing; return the file with their arguments."""
    folder = tmp_path / "bin"
    folder.mkdir()
    asked = folder / "asked"
    commands = {"sbatch": f'echo "$@" >> {asked}; exit 1', "sinfo": "echo main*"}
    for name in ("sbatch", "sinfo", "squeue", "sacct", "sacctmgr", "scontrol", "scancel"):
        command = folder / name
        command.write_text(f"#!/bin/sh\n{commands.get(name, 'exit 1')}\n")
        command.chmod(0o755)
    return asked


def test_profiles_name_existing_rules():
    for profile in ("slurm", "kubernetes"):
        settings = yaml.safe_load((ROOT / f"profiles/{profile}/config.yaml").read_text())
        assert set(settings.get("set-resources", {})) <= set(RULES)


def test_jobs_request_memory_time_and_a_gpu_for_each_search_from_slurm(project, slurm):
    project.set("search.device", "cuda")
    project.set("second.iterations", 61)
    options = "--slurm-init-seconds-before-status-checks 1 --slurm-status-command squeue"
    path = f"PATH={slurm.parent}:{os.environ['PATH']} SNAKEMAKE_PROFILE=profiles/slurm"
    project(f"{path} snakemake --cores 1 --retries 0 {options}", fails=True)
    jobs = [line.partition("--wrap")[0] for line in slurm.read_text().splitlines()]
    gpus = {"search_cells", "train_standalone", "retrain_random"}
    assert {name(job) for job in jobs} == {*gpus, "train_second", "train_split"}
    for job in jobs:
        assert ("--gpus=1 " in job) == (name(job) in gpus)
        hours = {"search_cells": 24, "train_second": 1}.get(name(job))
        if hours:
            assert f"-t {60 * hours} --mem 2000 " in job


def name(job):
    """Return the rule of a job from the command that submits it."""
    return re.search(r"slurm_logs/rule_(\w+)", job)[1]


def test_pods_store_results_and_finished_jobs_in_a_bucket(tmp_path, s3):
    """A dry run for Kubernetes plans everything; a job that runs here stores its results there."""
    fresh = Workspace.create(tmp_path / "project")
    options = f"--default-storage-prefix s3://bucket/pods --storage-s3-endpoint-url {s3}"
    cache = "SNAKEMAKE_OUTPUT_CACHE=s3://bucket/jobs"
    plan = "--profile profiles/kubernetes --container-image wpl --dry-run --quiet rules"
    assert table(fresh(f"{cache} snakemake {plan} {options}")) == fresh.planned()
    shared = "persistence sources source-cache software-deployment storage-local-copies"
    storage = f"--default-storage-provider s3 --shared-fs-usage {shared} {options}"
    fresh(f"{cache} snakemake --cores 1 --until prepare_text {storage}")
    assert not (fresh.path / "results").exists()
    with urllib.request.urlopen(f"{s3}/bucket") as listed:
        kept = re.findall(r"<Key>(.*?)</Key>", listed.read().decode())
    assert "pods/results/prepare_text/text.safetensors" in kept
    assert sum(key.startswith("jobs/") for key in kept) == 1


def test_locks_of_a_run_on_another_machine_are_not_removed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SNAKEMAKE_OUTPUT_CACHE", ".jobcache")
    support.LOCKS.mkdir(parents=True)
    stale = support.LOCKS / "0.output.lock"
    for machine, there in (("elsewhere", True), (socket.gethostname(), False)):
        stale.touch()
        support.RUN.write_text(machine)
        support.heal(ROOT)
        assert stale.exists() == there
    assert support.RUN.read_text() == socket.gethostname()


def test_snakemakes_locks_are_used_on_a_file_system_without_locks(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("no locks available")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fcntl, "flock", refuse)
    support.LOCKS.mkdir(parents=True)
    stale = support.LOCKS / "0.output.lock"
    stale.touch()
    support.heal(ROOT)
    support.lock()
    assert stale.exists()
