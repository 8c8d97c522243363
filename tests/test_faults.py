"""Faults on the smoke configuration: what is wrong is named, and the metrics are those of an
unbroken run, byte by byte.

More: a run that is killed as a whole in ``test_workflow.py``, a search that is killed in any epoch
in ``test_search_resumes.py``.
"""

import base64
import os
import random
import re
import shutil
import signal
import time

import pytest
from workspace import wait_until

SEARCH = "search_cells/text/small/enas/wpl/from0"
SECOND = "train_second/shared2/wpl"
FISHER = "estimate_fisher/fisher"
JUDGED = ("evaluate_forgetting", "evaluate_search")
JUDGE = (
    "snakemake --cores 2 results/evaluate_forgetting/metrics.json "
    "results/evaluate_search/text/headline.json results/evaluate_search/images/headline.json"
)
EVERYTHING = "snakemake --cores all"


@pytest.fixture
def expected(recorded):
    found = metrics(recorded)
    assert len(found) == 33
    return found


def metrics(project):
    """Tables, metrics and findings, by name, bytes."""
    files = project.results().items()
    return {name: content for name, content in files if name.split("/")[1] in JUDGED}


def copies(project, file):
    """The copies of a result among the finished jobs."""
    content = file.read_bytes()
    return [f for f in (project.path / ".jobcache").iterdir() if f.read_bytes() == content]


def lose(project, name, *, judged):
    """Delete what a job made, also among the finished jobs, and what was judged by it."""
    for path in (project.path / "results").glob(f"{name}*"):
        for file in [path] if path.is_file() else path.iterdir():
            for lost in (*copies(project, file), file):
                lost.unlink()
    shutil.rmtree(project.path / "results" / judged)


def errors(printed):
    """The lines that tell the user what is wrong."""
    assert "Traceback" not in printed
    return [line for line in printed.splitlines() if line.startswith("error: ")]


def begin_search(project):
    """Start a run in which one search is to be done; give it, and the process of the search."""
    lose(project, SEARCH, judged="evaluate_search/text")
    run = project.begin(JUDGE)
    wait_until(project.jobs)
    (pid,) = project.jobs()
    return run, pid


def checkpoints(project):
    return [path for path in (project.path / ".unfinished").glob("*/*") if path.name[0] != "."]


def cut(content):
    return content[: len(content) // 2]


def flip(content, at=-9):
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def flip_in_metadata(content):
    """In what stands beside the tensors: kind and number of samples."""
    return flip(content, content.index(b"samples") + 2)


def damage(path, how):
    content = path.read_bytes()
    path.write_bytes(how(content))
    assert path.read_bytes() != content


@pytest.mark.parametrize("how", [None, cut])
def test_a_killed_job_goes_on(project, expected, how):
    """SIGKILL of a search; its checkpoint is used, or found damaged and the search begun again."""
    run, pid = begin_search(project)
    wait_until(lambda: checkpoints(project), every=0.002)  # two epochs are still to come
    os.kill(pid, signal.SIGKILL)
    run.communicate()
    assert run.returncode != 0
    (checkpoint,) = checkpoints(project)
    if how is not None:
        damage(checkpoint, how)
    project(JUDGE)
    assert metrics(project) == expected
    log = (project.path / f"logs/{SEARCH}.log").read_text()
    name = checkpoint.relative_to(project.path)
    assert ("going on after epoch" if how is None else f"{name}: not a tensor file") in log
    assert not checkpoints(project)


@pytest.mark.parametrize("to", ["snakemake", "the terminal"])
def test_an_interrupted_run_stops_at_once_and_goes_on(project, expected, to):
    run, _ = begin_search(project)
    wait_until((project.path / f"logs/{SEARCH}.log").exists)
    (os.kill if to == "snakemake" else os.killpg)(run.pid, signal.SIGINT)
    printed, _ = run.communicate(timeout=30)
    assert run.returncode != 0
    assert "Traceback" not in printed
    assert not project.jobs()
    project(JUDGE)
    assert metrics(project) == expected


@pytest.mark.parametrize(
    ("lost", "culprit"),
    [
        (SEARCH, r"\.unfinished/search_\w+-\w+/seed0\.safetensors"),
        ("prepare_text", r"results/prepare_text/text\.safetensors"),
    ],
)
def test_a_full_disk_is_named_and_loses_nothing(project, expected, lost, culprit):
    """A checkpoint, and a result, do not fit: no file may be longer than 100 kB."""
    lose(project, lost, judged="evaluate_search/text")
    before = project.results()
    run = f"{JUDGE} results/prepare_text/text.safetensors"
    (error,) = errors(project(f"ulimit -f 200; {run}", fails=True))
    assert re.fullmatch(rf"error: \w+\b.*: \[Errno 27\] File too large: '{culprit}'", error)
    assert before.items() <= project.results().items()
    assert not list(project.path.rglob(".*.tmp"))
    project(run)
    assert metrics(project) == expected


@pytest.mark.parametrize(
    ("file", "how", "lost", "made"),
    [
        (f"{FISHER}.safetensors", flip, SECOND, "estimate_fisher"),
        (f"{FISHER}.safetensors", flip_in_metadata, SECOND, "estimate_fisher"),
        (f"{SECOND}.csv", cut, "nothing", SECOND),
    ],
)
def test_a_damaged_result_is_named_not_used_and_made_anew(project, expected, file, how, lost, made):
    """Also where its copy among the finished jobs is damaged as it is."""
    path = project.path / "results" / file
    content = path.read_bytes()
    lose(project, lost, judged="evaluate_forgetting")
    for damaged in (*copies(project, path), path):
        damage(damaged, how)
    (error,) = errors(project(JUDGE, fails=True))
    assert f" results/{file}: " in error
    assert error.endswith("; run again to have it made anew")
    assert metrics(project).keys() < expected.keys()
    project.ran()
    project(JUDGE)
    assert made in project.ran()
    assert path.read_bytes() == content
    assert metrics(project) == expected


def test_what_was_mended_since_is_kept(project):
    """A note of damage is of certain bytes; a sound file in their place is not removed."""
    path = project.path / f"results/{FISHER}.safetensors"
    notes = project.path / ".snakemake/damaged"
    notes.write_text(f"{'0' * 64} {path.relative_to(project.path)}\n")
    assert "Nothing to be done" in project(EVERYTHING)
    assert path.exists()
    assert not notes.exists()


def test_lost_results_are_restored(project):
    """One of every rule's, at once; what git keeps is judged anew."""
    before = project.results()
    for folder in {name.split("/")[1] for name in before}:
        files = [name for name in before if name.split("/")[1] == folder]
        (project.path / random.choice(files)).unlink()
    project(EVERYTHING)
    assert project.results() == before
    assert {job.partition("/")[0] for job in project.ran()} == set(JUDGED)


def test_a_second_run_is_refused_in_one_line(project, expected):
    first, pid = begin_search(project)
    os.kill(pid, signal.SIGSTOP)  # it does not end before the second has begun
    (error,) = errors(project(JUDGE, fails=True))
    os.kill(pid, signal.SIGCONT)
    assert error == (
        "error: another snakemake is running in this directory: try again when it has ended"
    )
    first.communicate()
    assert first.returncode == 0
    assert metrics(project) == expected


def test_of_two_runs_that_start_together_one_does_all(project, expected):
    lose(project, SEARCH, judged="evaluate_search/text")
    runs = [project.begin(JUDGE) for _ in range(2)]
    printed = [run.communicate()[0] for run in runs]
    assert sorted(run.returncode for run in runs) == [0, 1]
    (error,) = [line for text in printed for line in errors(text)]
    assert "another snakemake is running in this directory" in error
    assert metrics(project) == expected


def test_what_a_loss_of_power_leaves_is_put_right(project):
    """Files half written, a link that was to become a file, and a record cut short."""
    before = project.results()
    results = project.path / "results"
    (results / "train_second/shared2/.wpl.csv.77.tmp").write_text("sh")
    (results / "evaluate_search/text/.headline.json.copy").write_text("{")
    (project.path / ".unfinished/search-0123").mkdir(parents=True)
    (project.path / ".unfinished/search-0123/.seed0.78.tmp").write_text("")
    table = results / f"{SECOND}.csv"
    (copy,) = copies(project, table)
    table.unlink()
    table.symlink_to(copy)
    assert "Nothing to be done" in project(EVERYTHING)
    assert not table.is_symlink()
    assert project.results() == before
    assert not list((project.path / ".unfinished").glob("*/.*"))

    figure = "results/plot_two_models/tradeoff.png"
    record = base64.urlsafe_b64encode(figure.encode()).decode()
    damage(project.path / ".snakemake/metadata/two_models" / record, cut)
    project(EVERYTHING)
    assert "Nothing to be done" in project(EVERYTHING)
    assert (project.path / ".snakemake/metadata/two_models" / record).read_text().endswith("}")
    assert project.results() == before


@pytest.mark.parametrize("latest", [0.0, 1e8])
def test_nothing_runs_because_of_times(project, latest):
    """Files in a random order, until now or until three years from now: the clock was set back."""
    for path in project.path.rglob("*"):
        if path.is_file() and ".git" not in path.parts:
            os.utime(path, (time.time() + latest - random.uniform(0, 1e8),) * 2)
    assert "Nothing to be done" in project(EVERYTHING)
    assert project.ran() == []


def test_jobs_succeed_when_the_clock_was_set_back(project, expected):
    for path in (project.path / "results").rglob("*"):
        os.utime(path, (time.time() + 1e8,) * 2)
    lose(project, SEARCH, judged="evaluate_search/text")
    project(JUDGE)
    assert metrics(project) == expected
    assert "Nothing to be done" in project(JUDGE)
