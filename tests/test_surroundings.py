"""Requirements of jobs are checked before the first one; a failing cache does not fail a run."""

import resource
import shutil
from types import SimpleNamespace

import pytest
import torch
from snakemake.exceptions import WorkflowError

from support import surroundings

TEXT = "results/prepare_text/text.safetensors"


def faults(output="it.csv", *, gpu=0, local=True):
    job = SimpleNamespace(output=[output], log=["logs/it.log"], resources={"gpu": gpu})
    try:
        surroundings.check([job], local=local)
    except WorkflowError as error:
        return str(error).splitlines()
    return []


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_all_requirements_are_met(here):
    assert faults() == []
    assert list(here.iterdir()) == []


def test_a_read_only_folder(here):
    (here / "results").touch()
    assert faults("results/it/it.csv") == ["results: cannot be written to: Not a directory"]


def test_a_full_disk(monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=12 * 2**20))
    assert faults() == [".: 12 MB are free on its disk; expected 100 MB"]


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("RLIMIT_FSIZE", "size of a file: 100 allowed (ulimit -f); expected at least 10485760"),
        ("RLIMIT_NOFILE", "open files: 100 allowed (ulimit -n); expected at least 256"),
        ("RLIMIT_AS", "virtual memory: 100 allowed (ulimit -v); expected at least 4294967296"),
    ],
)
def test_limits_that_are_too_low(monkeypatch, limit, message):
    def getrlimit(asked):
        least = 100 if asked == getattr(resource, limit) else resource.RLIM_INFINITY
        return least, resource.RLIM_INFINITY

    monkeypatch.setattr(resource, "getrlimit", getrlimit)
    assert faults() == [message]
    assert faults(local=False) == [], "the nodes of a cluster have limits of their own"


def test_a_missing_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (fault,) = faults(gpu=1)
    assert fault == "search.device is cuda, but torch finds no GPU; choose auto or cpu"
    assert faults(gpu=1, local=False) == []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert faults(gpu=1) == []


def test_a_limit_ends_a_run_before_its_first_job(project):
    before = project.results()
    (project.path / TEXT).unlink()
    printed = project("ulimit -f 100; snakemake --cores 1", fails=True)
    assert "\nerror: size of a file: " in printed
    assert "WorkflowError" not in printed, "the line alone, without a stack"
    assert project.ran() == []
    project("snakemake --cores 1 --quiet all")
    assert project.results() == before


@pytest.mark.parametrize("cache", ["/dev/null/jobs", "/dev/full"])
def test_jobs_whose_cached_copy_cannot_be_written_are_finished(project, cache):
    before = project.results()
    (project.path / TEXT).unlink()
    printed = project(f"SNAKEMAKE_OUTPUT_CACHE={cache} snakemake --cores 1 {TEXT}")
    assert f"Finished jobs are not kept: {cache}: " in printed
    assert project.ran() == ["prepare_text"]
    assert project.results() == before
