"""The live display of a run, on a terminal and in a pipe."""

import io
import json
import logging
import os
from types import SimpleNamespace

import preloaded
import pytest
from rich.console import Console

from snakemake_logger_plugin_progress import run as display
from wpl_lab.progress import LOGGER, report

SNAKEFILE = """
rule all:
    input: "a.txt", "b.txt", "bad.txt"
rule good:
    output: "{name}.txt"
    message: "Making {wildcards.name}"
    shell: "touch {output}"
rule bad:
    output: "bad.txt"
    message: "Failing"
    shell: "exit 1"
ruleorder: bad > good
onerror:
    logger.info("three lines", extra={"summary": True})
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs").mkdir()
    (tmp_path / ".snakemake").mkdir()
    return tmp_path


def started(jobid, rule, message, **wildcards):
    return SimpleNamespace(jobid=jobid, rule_name=rule, rule_msg=message, wildcards=wildcards)


def tell(rule, wildcards, **step):
    with display.PROGRESS.open("a") as file:
        file.write(json.dumps({"time": 1.0, "rule": rule, "wildcards": wildcards} | step) + "\n")


def drawn(run):
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(run)
    return console.export_text()


def test_shows_finished_running_and_remaining_jobs(monkeypatch):
    now = 100.0
    monkeypatch.setattr(display.time, "monotonic", lambda: now)
    run = display.Run()
    run.begin({"search": 4, "plot": 1, "total": 5})
    run.start(started(1, "search", "Searching (text)", seed="1"))
    now = 110.0
    assert run.finish(1) == "1 of 5: Searching (text) (10 s)"
    run.start(started(2, "search", "Searching (text)", seed="2"))
    now = 114.0
    tell("search", {"seed": "2"}, epoch=3, epochs=8, perplexity=46.21)
    text = drawn(run)
    assert "1 of 5 jobs done, 1 running, 3 waiting" in text
    assert "0:04  Searching (text)" in text
    assert "epoch 3 of 8, perplexity 46.2" in text
    # Three searches of 10 s, one of which has run 4 s, and a plot as long as the other jobs.
    assert "about 0:36 left" in text
    run.fail(2)
    assert "1 of 5 jobs done, 0 running, 3 waiting, 1 failed" in drawn(run)


def test_remembers_durations_for_the_next_run(monkeypatch):
    now = 0.0
    monkeypatch.setattr(display.time, "monotonic", lambda: now)
    first = display.Run()
    first.begin({"search": 1})
    assert first.seconds_left() is None
    first.start(started(1, "search", "Searching"))
    now = 20.0
    first.finish(1)
    first.remember()
    second = display.Run()
    second.begin({"search": 3})
    assert second.seconds_left() == 60.0


def test_ignores_an_incomplete_line():
    run = display.Run()
    tell("search", {}, fault="error: search: no luck")
    with display.PROGRESS.open("a") as file:
        file.write('{"time": 1, "rule": "search", "wildcards": {}, "fau')
    assert run.faults() == ["error: search: no luck"]
    assert run.faults() == [], "each is reported once"
    with display.PROGRESS.open("a") as file:
        file.write('lt": "another"}\nnot JSON\n')
    assert run.faults() == ["another"]


def test_reports_are_json_for_any_numbers(caplog):
    with caplog.at_level(logging.INFO, logger=LOGGER):
        report(seed=1, perplexity=float("inf"), forgetting=float("nan"), note=None)
    assert json.loads(caplog.messages[0]) == {
        "seed": 1, "perplexity": "inf", "forgetting": "nan", "note": None
    }  # fmt: skip


@pytest.mark.parametrize("ci", [False, True])
def test_in_a_pipe_a_run_prints_one_line_per_finished_job(folder, ci):
    (folder / "Snakefile").write_text(SNAKEFILE)
    environment = {k: v for k, v in os.environ.items() if k != "CI"} | ({"CI": "1"} if ci else {})
    command = "snakemake --cores 1 --logger progress --keep-going"
    code, printed = preloaded.run(command, folder, environment)
    assert code == 1
    lines = printed.splitlines()
    finished = [line.rpartition(" (")[0] for line in lines if " of 4: " in line]
    made = {"Making a", "Making b"}
    assert {line.partition(": ")[2] for line in finished} == (set() if ci else made)
    assert lines[-1] == "three lines"
    assert any(line.startswith("Error in rule bad") for line in lines)
    assert len(lines) < 40


def test_a_dry_run_lists_jobs_without_a_banner_or_a_list_of_targets(folder):
    (folder / "Snakefile").write_text(SNAKEFILE)
    command = "snakemake --cores 1 --logger progress --dry-run"
    code, printed = preloaded.run(command, folder, os.environ)
    assert code == 0
    assert "Making a" in printed
    assert "Failing" in printed
    for needless in ("SNAKEMAKE", "Workflow ID", "input: a.txt", "unrestricted shared filesystem"):
        assert needless not in printed, needless
