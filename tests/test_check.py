"""`make check`: which differences from the committed results are reported, and which are errors."""

import subprocess
import sys

import pandas as pd
import pytest
from workspace import ROOT

from support.check import compare

VERDICT = {"space": "small", "outcome": "err2", "arm": "wpl", "against": "none", "primary": True}
VALUES = {"n": 10, "value": -0.1, "low": -0.2, "high": -0.05, "p": 0.002, "verdict": "lower"}


def verdicts(**changed):
    other = VERDICT | VALUES | {"outcome": "tau", "primary": False, "verdict": "not shown"}
    return pd.DataFrame([VERDICT | VALUES | changed, other])


def test_equal_results_have_no_differences():
    assert list(compare(verdicts(), verdicts())) == []


def test_a_value_within_its_interval_is_not_reported():
    assert list(compare(verdicts(), verdicts(value=-0.06, p=0.01, n=9))) == []


def test_a_value_beyond_its_interval_is_reported():
    ((primary, line),) = compare(verdicts(), verdicts(value=-0.3))
    assert not primary
    assert line.startswith("moved: small, err2, wpl, none: -0.1 → -0.3")


def test_a_primary_verdict_that_changed_is_an_error():
    ((primary, line),) = compare(verdicts(), verdicts(verdict="not shown", p=0.2))
    assert primary
    assert line.startswith("primary verdict changed: small, err2, wpl, none: lower → not shown")


def test_an_exploratory_verdict_that_changed_is_reported():
    old = verdicts(primary=False)
    found = list(compare(old, old.assign(verdict="higher")))
    assert [primary for primary, _ in found] == [False, False]
    assert all("verdict (exploratory) changed" in line for _, line in found)


def test_comparisons_that_are_missing_or_new_are_reported():
    ((primary, line),) = compare(verdicts(), verdicts()[1:])
    assert primary, "a missing primary verdict is an error"
    assert line == "primary verdict missing: small, err2, wpl, none"
    ((primary, line),) = compare(verdicts()[1:], verdicts())
    assert not primary
    assert line == "new: small, err2, wpl, none"


def test_few_seeds_without_an_interval_are_not_compared():
    old = verdicts(low=None, high=None)
    assert list(compare(old, verdicts(value=5.0))) == []


@pytest.fixture
def checked(tmp_path):
    """Return a working copy with committed results, and the command that checks it."""
    table = tmp_path / "results/evaluate_search/text/verdicts.csv"
    table.parent.mkdir(parents=True)

    def run(new, revision=()):
        if new is not None:
            new.to_csv(table, index=False)
        command = [sys.executable, str(ROOT / "workflow/support/check.py"), *revision]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    def git(*command):
        author = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        subprocess.run(["git", *author, *command], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    git("commit", "--allow-empty", "-m", "nothing")
    verdicts().to_csv(table, index=False)
    (table.parent / "params.json").write_text('{"seeds": [0]}')
    git("add", "-A")
    git("commit", "-m", "results")
    return run


def test_the_exit_code_tells_whether_there_are_errors(checked):
    same = checked(verdicts(value=-0.3))
    assert same.returncode == 0
    assert "moved: small" in same.stdout
    assert "All primary verdicts are unchanged." in same.stdout
    changed = checked(verdicts(verdict="higher"))
    assert changed.returncode == 1
    assert "primary verdict changed" in changed.stdout
    nothing = checked(None, ["HEAD~1"])
    assert nothing.returncode == 2
    assert "HEAD~1 has no results" in nothing.stderr
    unknown = checked(None, ["nowhere"])
    assert unknown.returncode == 2
    assert "error: git:" in unknown.stderr


def test_other_parameters_are_reported(checked, tmp_path):
    name = "results/evaluate_search/text/params.json"
    assert "params.json" not in checked(verdicts()).stdout
    (tmp_path / name).write_text('{"seeds": [1]}')
    assert checked(verdicts()).stdout.startswith(f"{name}: other parameters than in HEAD")


def test_an_unfinished_run_is_not_compared(checked, tmp_path):
    (tmp_path / "results/evaluate_search/text/verdicts.csv").unlink()
    done = checked(None)
    assert done.returncode == 2
    assert "has it finished?" in done.stderr
