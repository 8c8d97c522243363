"""One entry in the table of arms adds an arm to both experiments: F to the power ½."""

import json

import pandas as pd
import pytest

TABLE = "src/wpl_lab/arms.py"
TITLE = "root of F"
ENTRY = f"""    Arm(
        name="root",
        title="{TITLE}",
        colour="#94CBEC",
        marker="*",
        applies=TWO_MODELS + SEARCH,
        default=("shared", "enas", "uniform", "nao", "full"),
        importance=lambda fisher: fisher.sqrt(),
        section="wpl",
    ),
"""


@pytest.fixture(scope="module")
def extended(recorded, tmp_path_factory):
    """Return a copy of the finished project with one more arm, run again, and the jobs that ran."""
    project = recorded.copy(tmp_path_factory.mktemp("extended") / "project")
    project.ran()
    project.edit(TABLE, "_ENTRIES = (\n", f"_ENTRIES = (\n{ENTRY}")
    project("snakemake --cores all")
    return project, project.ran()


def read(project, name):
    return pd.read_csv(project.path / "results" / name, dtype={"stop": str, "shared": str})


def test_only_its_file_is_touched(extended):
    project, _ = extended
    assert project(
        "git status --porcelain -- src workflow params.yaml config Snakefile"
    ).split() == [
        "M",
        TABLE,
    ]


def test_only_its_jobs_train(extended):
    trained = {job for job in extended[1] if job.startswith(("train_", "search_", "estimate_"))}
    assert not [job for job in trained if "/root" not in job]
    assert {f"train_second/shared{k}/root/from0" for k in (1, 2)} <= trained
    assert any(job.startswith("search_cells/text") for job in trained)
    assert any(job.startswith("search_cells/images") for job in trained)


def test_it_is_an_arm_of_its_own_in_both_experiments(extended):
    """Its results differ from those of all other arms."""
    project, _ = extended
    curves = read(project, "evaluate_forgetting/curves.csv").groupby("arm")["accuracy_first"].sum()
    assert curves.nunique() == len(curves)
    runs = read(project, "evaluate_search/text/runs.csv")
    small = runs[(runs["space"] == "small") & (runs["method"] == "enas")]
    err2 = small.set_index("arm")["err2"]
    assert err2["root"] not in set(err2.drop("root"))


@pytest.mark.parametrize("table", ["cases", "tradeoff", "verdicts", "curves"])
def test_it_is_in_the_tables_of_the_two_models(extended, table):
    assert "root" in set(read(extended[0], f"evaluate_forgetting/{table}.csv")["arm"])


@pytest.mark.parametrize("table", ["arms", "runs", "verdicts", "forgetting", "ranking", "found"])
@pytest.mark.parametrize("task", ["text", "images"])
def test_it_is_in_the_tables_of_the_searches(extended, task, table):
    assert "root" in set(read(extended[0], f"evaluate_search/{task}/{table}.csv")["arm"])


def test_it_is_in_metrics_and_findings(extended):
    results = extended[0].path / "results"
    headline = json.loads((results / "evaluate_forgetting/headline.json").read_text())
    assert set(headline["converged"]["root"]) == {"reduction", "cost"}
    assert "root" in (results / "evaluate_search/text/headline.json").read_text()
    written = list(results.glob("evaluate_*/**/findings.md"))
    assert len(written) == 3
    for findings in written:
        assert TITLE in findings.read_text(), findings


def test_it_is_in_every_figure(extended):
    figures = list((extended[0].path / "results").glob("plot_*/**/*.svg"))
    assert len(figures) >= 3 + 2 * 5
    for figure in figures:
        assert TITLE in figure.read_text(), figure


def test_an_arm_is_removed_by_removing_its_entry(extended, tmp_path):
    project = extended[0].copy(tmp_path / "project")  # the other tests may run after this one
    project("git checkout -q -- src")
    project("snakemake --cores all --quiet rules host")
    assert not [name for name in project.results() if "root" in name], "it leaves no results"
