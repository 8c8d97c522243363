"""Faults are reported, and the metrics are byte for byte those of a run without faults.

The runs have the smoke configuration. ``test_workflow.py`` kills a whole run, and
``test_search_resumes.py`` kills a search in any epoch.
"""

import base64
import os
import random
import re
import resource
import signal
import time

import pytest
from workspace import wait_until

SEARCH = "search_cells/text/small/enas/wpl/from0"
SECOND = "train_second/shared2/wpl/from0"
FISHER = "estimate_fisher/from0/fisher"
JUDGED = ("evaluate_forgetting", "evaluate_search")
JUDGE = (
    "snakemake --cores 2 results/evaluate_forgetting/metrics.json "
    "results/evaluate_search/text/headline.json results/evaluate_search/images/headline.json"
)
EVERYTHING = "snakemake --cores all"


@pytest.fixture
def expected(recorded):
    found = metrics(recorded)
    assert len(found) > 50
    return found


def metrics(project):
    """Return the bytes of tables, metrics and findings, by name."""
    files = project.results().items()
    return {name: content for name, content in files if name.split("/")[1] in JUDGED}


def copies(project, file):
    """Return the copies of a result in the cache of finished jobs."""
    content = file.read_bytes()
    return [f for f in (project.path / ".jobcache").iterdir() if f.read_bytes() == content]


def lose(project, name, *, judged):
    """Delete the outputs of a job and their cached copies, and the evaluation that uses them."""
    for path in (project.path / "results").glob(f"{name}*"):
        for file in [path] if path.is_file() else path.iterdir():
            for lost in (*copies(project, file), file):
                lost.unlink()
    for file in (project.path / "results" / judged).iterdir():
        for lost in (*copies(project, file), file):
            lost.unlink()


def errors(printed):
    """Return the lines that report errors; the display repeats them at its end."""
    assert "Traceback" not in printed
    lines = [line for line in printed.splitlines() if line.startswith("error: ")]
    return list(dict.fromkeys(lines))


def begin_search(project):
    """Start a run with one search to do; return the run and the process id of the search."""
    lose(project, SEARCH, judged="evaluate_search/text")
    run = project.begin(JUDGE)
    wait_until(project.jobs, run)
    (pid,) = project.jobs()
    return run, pid


def checkpoints(project):
    return [path for path in (project.path / ".unfinished").glob("*/*") if path.name[0] != "."]


def cut(content):
    return content[: len(content) // 2]


def flip(content, at=-9):
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def flip_in_metadata(content):
    """Change the metadata of the tensors: kind and number of samples."""
    return flip(content, content.index(b"samples") + 2)


def flip_a_digit(content):
    """Change the last digit of a table, which remains readable."""
    return content[:-2] + bytes([content[-2] ^ 1]) + content[-1:]


def damage(path, how):
    content = path.read_bytes()
    path.write_bytes(how(content))
    assert path.read_bytes() != content


@pytest.mark.parametrize("how", [None, cut])
def test_a_killed_search_resumes(project, expected, how):
    """After SIGKILL, the search resumes from its checkpoint, or starts again if that is damaged."""
    run, pid = begin_search(project)
    wait_until(lambda: checkpoints(project), run, every=0.002)  # two epochs remain
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
    assert ("continuing after epoch" if how is None else f"{name}: not a tensor file") in log
    assert not checkpoints(project)


@pytest.mark.parametrize("to", ["snakemake", "the terminal"])
def test_an_interrupted_run_stops_at_once_and_resumes(project, expected, to):
    run, _ = begin_search(project)
    wait_until((project.path / f"logs/{SEARCH}.log").exists, run)
    (os.kill if to == "snakemake" else os.killpg)(run.pid, signal.SIGINT)
    printed, _ = run.communicate(timeout=600)
    assert run.returncode != 0
    assert "Traceback" not in printed
    assert not project.jobs()
    project(JUDGE)
    assert metrics(project) == expected


@pytest.mark.parametrize(
    ("lost", "culprit"),
    [
        (SEARCH, r"\.unfinished/search_\w+-\w+/seeds?\w*\.safetensors"),
        ("prepare_text", r"results/prepare_text/text\.safetensors"),
    ],
)
def test_a_full_disk_is_reported_and_loses_nothing(project, expected, lost, culprit):
    """A limit on the size of files simulates a full disk, for a checkpoint and for a result."""
    lose(project, lost, judged="evaluate_search/text")
    before = project.results()
    command = f"{JUDGE} results/prepare_text/text.safetensors"
    run = project.begin(command)
    wait_until(project.jobs, run, every=0.002)
    for job in project.jobs():
        resource.prlimit(job, resource.RLIMIT_FSIZE, (2**14, 2**14))
    printed, _ = run.communicate()
    assert run.returncode != 0
    (error,) = errors(printed)
    assert re.fullmatch(rf"error: \w+\b.*: \[Errno 27\] File too large: '{culprit}'", error)
    assert before.items() <= project.results().items()
    assert not list(project.path.rglob(".*.tmp"))
    project(command)
    assert metrics(project) == expected


@pytest.mark.parametrize(
    ("file", "how", "made"),
    [
        (f"{FISHER}.safetensors", flip, "estimate_fisher/from0"),
        (f"{SECOND}.csv", flip_a_digit, SECOND),
    ],
)
@pytest.mark.parametrize("kept", ["sound", "damaged"])
def test_a_damaged_result_is_not_used(project, expected, file, how, made, kept):
    """It is restored from the finished jobs, or made again if the copy there is damaged, too."""
    path = project.path / "results" / file
    content = path.read_bytes()
    for damaged in (path, *(copies(project, path) if kept == "damaged" else ())):
        damage(damaged, how)
    assert f"results/{file} is not as its job wrote it: removed" in project(EVERYTHING)
    assert path.read_bytes() == content
    assert metrics(project) == expected
    assert (made in project.ran()) == (kept == "damaged")


@pytest.mark.parametrize(
    ("file", "how", "lost", "made"),
    [
        (f"{FISHER}.safetensors", flip_in_metadata, SECOND, "estimate_fisher/from0"),
        (f"{SECOND}.csv", cut, "nothing", SECOND),
    ],
)
def test_a_result_that_a_job_finds_damaged_is_made_again(project, expected, file, how, lost, made):
    """The result is of a run that did not finish, so that there is no receipt."""
    path = project.path / "results" / file
    content = path.read_bytes()
    lose(project, lost, judged="evaluate_forgetting")
    (project.path / ".snakemake/made_with_params.yaml/two_models/receipts.json").unlink()
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


def test_a_file_repaired_since_is_kept(project):
    """A record of damage refers to certain bytes; a sound file in their place is not removed."""
    path = project.path / f"results/{FISHER}.safetensors"
    notes = project.path / ".snakemake/damaged"
    notes.write_text(f"{'0' * 64} {path.relative_to(project.path)}\n")
    assert "Nothing to be done" in project(EVERYTHING)
    assert path.exists()
    assert not notes.exists()


def test_lost_results_are_restored(project):
    """One result of every rule is lost at once."""
    before, draw = project.results(), random.Random(0)
    for folder in sorted({name.split("/")[1] for name in before}):
        files = [name for name in before if name.split("/")[1] == folder]
        (project.path / draw.choice(files)).unlink()
    project(EVERYTHING)
    assert project.results() == before
    assert project.ran() == []


def test_a_second_run_is_refused_in_one_line(project, expected):
    first, pid = begin_search(project)
    os.kill(pid, signal.SIGSTOP)  # it does not end before the second has started
    (error,) = errors(project(JUDGE, fails=True))
    os.kill(pid, signal.SIGCONT)
    assert error == (
        "error: another snakemake is running in this directory: try again when it has ended"
    )
    first.communicate()
    assert first.returncode == 0
    assert metrics(project) == expected


def test_of_two_runs_that_start_together_one_does_everything(project, expected):
    lose(project, SEARCH, judged="evaluate_search/text")
    runs = [project.begin(JUDGE) for _ in range(2)]
    printed = [run.communicate()[0] for run in runs]
    assert sorted(run.returncode for run in runs) == [0, 1]
    (error,) = [line for text in printed for line in errors(text)]
    assert "another snakemake is running in this directory" in error
    assert metrics(project) == expected


def test_files_truncated_by_a_power_failure_are_repaired(project):
    """Some files are incomplete, and a record is truncated."""
    before = project.results()
    results = project.path / "results"
    (results / "train_second/shared2/wpl/.from0.csv.77.tmp").write_text("sh")
    (results / "evaluate_search/text/.headline.json.copy").write_text("{")
    (project.path / ".unfinished/search-0123").mkdir(parents=True)
    (project.path / ".unfinished/search-0123/.seed0.78.tmp").write_text("")
    assert "Nothing to be done" in project(EVERYTHING)
    assert project.results() == before
    assert not list((project.path / ".unfinished").glob("*/.*"))

    figure = "results/plot_two_models/tradeoff.png"
    record = base64.urlsafe_b64encode(figure.encode()).decode()
    records = project.path / ".snakemake/made_with_params.yaml/two_models"
    damage(records / record, cut)
    project(EVERYTHING)
    assert "Nothing to be done" in project(EVERYTHING)
    assert (records / record).read_text().endswith("}")
    assert project.results() == before


@pytest.mark.parametrize("latest", [0.0, 1e8])
def test_modification_times_do_not_matter(project, latest):
    """They are random, up to now or up to three years later, as if the clock had been set back."""
    draw = random.Random(0)
    for path in sorted(project.path.rglob("*")):
        if path.is_file() and ".git" not in path.parts:
            os.utime(path, (time.time() + latest - draw.uniform(0, 1e8),) * 2)
    assert "Nothing to be done" in project(EVERYTHING)
    assert project.ran() == []


def test_jobs_succeed_when_the_clock_was_set_back(project, expected):
    for path in (project.path / "results").rglob("*"):
        os.utime(path, (time.time() + 1e8,) * 2)
    lose(project, SEARCH, judged="evaluate_search/text")
    project(JUDGE)
    assert metrics(project) == expected
    assert "Nothing to be done" in project(JUDGE)
