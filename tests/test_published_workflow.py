"""The workflow of searches with a published ground truth, planned and run at a tiny size."""

import itertools
import random

import pandas as pd
import pytest
import yaml
from workspace import Workspace, table

OPERATIONS = ["none", "skip_connect", "nor_conv_1x1"]
TINY = {
    "images": {"valid_share": 0.05},
    "search": {
        "nasbench201": {
            "truth": "data/truth.csv",
            "seeds": [0, 1],
            "other_seeds": [0],
            "seeds_per_job": 2,
            "small": {"operations": OPERATIONS, "uniform": ["none", "wpl"]},
            "model": {"width": 2, "stages": 2, "batch_size": 16, "measured": 16},
            "training": {
                "epochs": 3,
                "children": 2,
                "batches": 2,
                "decay_from": 3,
                "candidates": 3,
                "sampled": 12,
            },
            "plasticity": {"warmup": 1, "decay_from": None},
        }
    },
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """Make a working copy with a ground truth of the small space and no results."""
    made = Workspace.create(tmp_path_factory.mktemp("published") / "project")
    draw = random.Random(0)
    digits = {"none": "0", "skip_connect": "1", "nor_conv_1x1": "2"}
    rows = [
        {
            "genotype": "".join(digits[name] for name in cell),
            "accuracy": 40 + 5 * cell.count("nor_conv_1x1") + draw.random(),
            "seed": seed,
        }
        for cell in itertools.product(OPERATIONS, repeat=6)
        for seed in range(2)
    ]
    pd.DataFrame(rows).to_csv(made.path / "data/truth.csv", index=False)
    (made.path / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    (made.path / "data/cifar10.tar.xz").write_bytes(b"")
    return made


def test_the_study_is_planned(workspace):
    plan = table(workspace.plan("search_nasbench201", "--configfile", "config/nasbench201.yaml"))
    assert plan["search_cells"] == 4 * 7
    assert plan["prepare_truth"] == plan["evaluate_published"] == 1
    assert plan["plot_published"] == 4


def test_the_size_for_a_gpu_is_planned(workspace):
    plan = table(
        workspace.plan("search_nasbench201", "--configfile", "config/nasbench201_gpu.yaml")
    )
    assert plan["search_cells"] == 10 * 10


def test_it_is_not_part_of_a_run_of_everything(workspace):
    assert not {"prepare_truth", "evaluate_published"} & {*table(workspace.plan())}


def test_without_an_arm_the_error_names_the_configuration(workspace):
    printed = workspace.plan("search_nasbench201", fails=True)
    assert "search.nasbench201.small: no arm searches it" in printed
    assert "Traceback" not in printed


def test_a_missing_ground_truth_is_named(workspace):
    (workspace.path / "data/truth.csv").rename(workspace.path / "data/elsewhere.csv")
    printed = workspace.plan("search_nasbench201", "--configfile", "tiny.yaml", fails=True)
    (workspace.path / "data/elsewhere.csv").rename(workspace.path / "data/truth.csv")
    assert "params: search.nasbench201.truth: there is no file data/truth.csv" in printed


@pytest.mark.long
def test_it_runs_at_a_tiny_size(workspace):
    command = "snakemake --cores 2 search_nasbench201 --configfile tiny.yaml"
    workspace(command)
    folder = workspace.path / "results"
    findings = (folder / "evaluate_published/nasbench201/findings.md").read_text()
    assert "12 architectures, drawn once for all searches, are ranked" in findings
    assert "WPL" in findings
    ranking = pd.read_csv(folder / "evaluate_published/nasbench201/ranking.csv")
    assert sorted(ranking["epochs"].unique()) == [1, 2, 3]
    figures = {path.name for path in folder.glob("plot_published/nasbench201/*.png")}
    assert figures == {"budget.png", "transfer.png", "errors.png", "search_forgetting.png"}
    assert "Nothing to be done" in workspace(command)
