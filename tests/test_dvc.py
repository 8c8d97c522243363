"""The workflow with DVC: experiments, comparison, sharing."""

import io
import json
import shutil

import pandas as pd
import pytest
import yaml
from workspace import PLOTS, Workspace, wait_until

WPL = [f"train_second/shared{k}/wpl/from0" for k in (1, 2)]
TABLE = "dvc exp show --only-changed --hide-workspace --drop 'Created|State|Executor'"
JUDGED = ["evaluate_forgetting", *PLOTS]


def test_recorded_results_are_up_to_date_for_both_tools(project):
    assert "Nothing to be done" in project("snakemake --cores all")
    assert "didn't change" in project("dvc repro")
    assert "up to date" in project("dvc status")
    assert project("git status --porcelain") == ""
    assert project.ran() == []


def test_an_experiment_and_back(project):
    """A changed number runs the jobs that depend on it; changing it back restores their results."""
    before = project.results()
    printed = project("dvc exp run --name weaker -S wpl.alpha=3", fresh=True)
    assert project.ran() == sorted(WPL + JUDGED)
    for stage in ("search_text", "search_images"):
        assert f"Stage '{stage}' didn't change, skipping" in printed

    changed = json.loads(project("dvc metrics diff --json"))
    file = "results/evaluate_forgetting/headline.json"
    difference = changed[file]["converged.wpl.reduction"]
    assert difference["new"] < difference["old"]
    assert "converged.none.forgetting" not in changed[file], (
        "the result without WPL does not change"
    )
    assert project("dvc params diff").split()[-4:] == ["params.yaml", "wpl.alpha", "1000.0", "3"]
    shown = pd.read_csv(io.StringIO(project("dvc exp show --csv"))).set_index("Experiment")
    assert shown.loc["weaker", "wpl.alpha"] == 3
    assert shown.loc["weaker", "converged.wpl.reduction"] == difference["new"]
    for title in ("alpha", "converged"):
        assert title in project("dvc exp diff HEAD weaker")
    table = project(f"COLUMNS=1000 {TABLE}").splitlines()
    assert max(map(len, table)) < 120, "the table fits a terminal"
    assert "converged.wpl.reduction" in table[1]
    project("dvc plots diff HEAD --out plots")
    page = (project.path / "plots/index.html").read_text()
    assert "A while B trains" in page
    assert "tradeoff" in page

    project("dvc exp run --quiet -S wpl.alpha=1000.0")
    assert project.ran() == []
    assert project.results() == before
    assert "Nothing to be done" in project("snakemake --cores all")


def test_an_experiment_in_a_copy_shares_finished_jobs(project):
    finished = project.path / ".jobcache"
    before = set(finished.iterdir())
    project("dvc exp run --quiet --temp --name aside -S 'tradeoff.alphas=[10.0]'")
    new = {path.name for path in finished.iterdir()} - {path.name for path in before}
    assert len({name.partition("_")[0].partition(".")[0] for name in new}) == len(JUDGED)
    assert "Nothing to be done" in project("snakemake --cores all")
    project("dvc exp branch --quiet aside kept")
    changed = yaml.safe_load(project("git show kept:params.yaml"))
    assert changed["tradeoff"]["alphas"] == [10.0]
    project("dvc exp apply aside --quiet")
    assert "Nothing to be done" in project("snakemake --cores all")
    assert "didn't change" in project("dvc repro")


def test_queued_experiments_run_side_by_side(project):
    project("dvc exp run --quiet --queue -S 'wpl.alpha=choice(2.0,4.0)'")
    # The workers inherit the output, and one may outlive the command.
    project("CORES=1 dvc queue start --jobs 2 > queue.log 2>&1")

    def done():
        status = project("dvc queue status")
        assert "Failed" not in status, (project.path / "queue.log").read_text()
        return status.count("Success") == 2

    wait_until(done, every=1)
    project("dvc queue stop --kill")
    shown = pd.read_csv(io.StringIO(project("dvc exp show --csv")))
    found = shown.dropna(subset="Experiment").set_index("wpl.alpha")["converged.wpl.reduction"]
    assert found[2.0] < found[4.0]


def test_a_run_of_snakemake_is_recorded_without_running_jobs(project):
    project.set("wpl.alpha", 3.0)
    project("snakemake --cores all --quiet all")
    project.ran()
    after = project.results()
    project("dvc repro --quiet")
    assert project.ran() == []
    assert "up to date" in project("dvc status")
    assert project.results() == after


def test_a_clone_without_the_cache_runs_everything(project, tmp_path):
    """Its figures and tables come from git, without the records of their jobs."""
    clone = Workspace(tmp_path / "clone")
    project(f"git clone --quiet . {clone.path}")
    assert (clone.path / "results/plot_two_models/tradeoff.png").exists()
    everything = project("snakemake --dry-run --forceall --cores 1 --quiet rules")
    planned = clone("snakemake --dry-run --cores 1 --quiet rules")
    assert planned.partition("Job stats:")[2].split("total")[0] in everything
    assert clone.planned()["train_second"] == 11


@pytest.mark.parametrize("lost", ["results", ".snakemake"])
def test_lost_files_are_checked_out_and_not_recomputed(project, lost):
    before = project.results()
    shutil.rmtree(project.path / lost)
    if lost == ".snakemake":
        printed = project("snakemake --cores all", fails=True)
        assert ".snakemake/made_with_params.yaml/search_images, the record of which" in printed
    project("git checkout --quiet . && dvc checkout --quiet")
    assert "Nothing to be done" in project("snakemake --cores all")
    assert project.results() == before


def test_links_into_the_cache_of_dvc_are_refused(project):
    project("dvc config --local cache.type hardlink && dvc checkout --relink --quiet")
    printed = project("snakemake --cores all", fails=True)
    assert "dvc config --local cache.type reflink,copy && dvc checkout --relink" in printed
    project("dvc config --local cache.type reflink,copy && dvc checkout --relink --quiet")
    assert "Nothing to be done" in project("snakemake --cores all")


def test_a_mistyped_parameter_is_refused(project):
    assert "alpah" in project("dvc exp run -S wpl.alpah=3", fails=True)
    assert project.ran() == []
