"""The workflow for a user: a first run, and the jobs that each kind of change runs again."""

import json
import re
import shutil

import pandas as pd
import pytest
from PIL import Image
from workspace import PLOTS, ROOT, Workspace, rules, table, wait_until

SECOND = [
    f"train_second/shared{k}/{arm}/from0"
    for k in (1, 2)
    for arm in ("frozen", "joint", "l2", "none", "wpl")
] + ["train_second/shared2/omega/from0"]
WPL = ["train_second/shared1/wpl/from0", "train_second/shared2/wpl/from0"]
JUDGED = {"evaluate_forgetting", "plot_two_models"}
JUDGED_JOBS = ["evaluate_forgetting", *PLOTS]
ESTIMATED = ["estimate_fisher/from0", "estimate_importance/from0"]
TRAINED = ["train_first/from0", *SECOND, "train_split/from0"]
TWO_MODELS = ["prepare_data/data", "evaluate_data/data", *ESTIMATED, *TRAINED, *JUDGED_JOBS]
AFTER_FISHER = JUDGED | {*rules(ESTIMATED), "train_second", "train_split"}
ARMS = ("none", "wpl")
SPACES = {"text": ["small/enas", "full/enas"], "images": ["small/enas", "dropout0.5/nao"]}
SEARCHES = [
    f"search_cells/{task}/{space}/{arm}/from0"
    for task in SPACES
    for space in SPACES[task]
    for arm in ARMS
]
RETRAINED = [f"retrain_found/text/enas/{arm}" for arm in ARMS]
DRAWN = ("search_forgetting", "errors", "reward", "ranking", "found", "cells")
RANKED = {"evaluate_search", "plot_search"}
ALONE = [
    *RETRAINED,
    "retrain_random/text",
    *(f"train_standalone/{task}/batches{batches}/cells0" for task in SPACES for batches in (6, 12)),
]
SEARCHED = RANKED | {"search_cells", "retrain_found"}
PREPARED = ["prepare_text", "prepare_data/images", "evaluate_data/text", "evaluate_data/images"]
JUDGEMENTS = [f"evaluate_search/{task}" for task in SPACES]
JUDGEMENTS += [f"plot_search/{task}/{figure}" for task in SPACES for figure in DRAWN]
ALL = [*TWO_MODELS, *PREPARED, *SEARCHES, *ALONE, *JUDGEMENTS]


def test_everything_runs_and_shows_forgetting(recorded):
    results = recorded.path / "results"
    metrics = json.loads((results / "evaluate_forgetting/metrics.json").read_text())
    assert set(metrics) == {"shared1", "shared2", "split"}
    assert set(metrics["split"]["converged"]) == {"none", "ewc", "si"}
    case = metrics["shared2"]["converged"]
    assert set(case) == {"none", "wpl", "l2", "frozen", "joint", "omega"}
    assert set(metrics["shared2"]["0.3"]) == set(metrics["shared1"]["converged"])
    assert case["none"]["forgetting"] > 0.05
    assert case["frozen"]["forgetting"] == 0
    assert case["wpl"]["forgetting"] < case["none"]["forgetting"] / 2
    assert case["wpl"]["reduction_low"] is None, "two seeds are too few for an interval"
    assert all(0 <= arm["forgetting_p"] <= 1 for arm in case.values())
    headline = json.loads((results / "evaluate_forgetting/headline.json").read_text())
    assert headline["converged"]["none"]["forgetting"] == case["none"]["forgetting"]
    assert headline["converged"]["wpl"]["reduction"] == case["wpl"]["reduction"]
    tradeoff = pd.read_csv(results / "evaluate_forgetting/tradeoff.csv")
    assert set(tradeoff[tradeoff["arm"] == "wpl"]["alpha"]) == {10.0, 1000.0}
    figures = list(results.glob("plot_*/**/*.png"))
    assert len(figures) == len(PLOTS) + len(SPACES) * len(DRAWN)
    for file in figures:
        with Image.open(file) as figure:
            assert min(figure.size) > 300, file
            assert len(figure.convert("RGB").getcolors(2**16) or []) > 20, f"{file} shows little"


@pytest.mark.long
def test_same_bytes_on_one_core_in_another_order(recorded, tmp_path):
    other = Workspace.create(tmp_path / "elsewhere" / "other")
    last = "results/retrain_random/text/cells.csv results/train_split/from0.csv"
    other(f"snakemake --cores 1 --quiet all --prioritize {last} -- all", fresh=True)
    assert other.order() != recorded.order()
    assert other.ran() == sorted(ALL)
    assert other.results() == recorded.results()


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("wpl.alpha", 3.0, JUDGED | {"train_second"}),
        ("l2.alpha", 1000, set()),  # 1000 is 1000.0
        ("tradeoff.alphas", [20.0], JUDGED | {"train_second"}),
        # 1000.0 is the strength of the arms already: only the params stored with results change.
        ("tradeoff.alphas", [10.0], JUDGED),
        ("second.iterations", 90, JUDGED | {"train_second", "train_split"}),
        ("omega.damping", 0.01, JUDGED | {"estimate_importance", "train_second"}),
        ("split.alpha", 1e5, JUDGED | {"train_split"}),
        ("split.arms", ["none", "ewc"], JUDGED | {"train_split"}),
        ("compare.arms", ["none", "wpl", "l2"], JUDGED),
        ("fisher.samples", 90, AFTER_FISHER | {"evaluate_data"}),
        ("first.iterations", 310, AFTER_FISHER | {"train_first"}),
        ("data.seed", 1, rules(TWO_MODELS)),
        ("text.seed", 1, {"prepare_text", "evaluate_data", *RANKED, *rules(ALONE), "search_cells"}),
        (
            "images.seed",
            1,
            {"prepare_data", "evaluate_data", *RANKED, "train_standalone", "search_cells"},
        ),
        ("search.text.plasticity.alpha", 3.0, SEARCHED),
        ("search.images.plasticity.alpha", 3.0, RANKED | {"search_cells"}),
        ("search.policy.steps", 5, SEARCHED),
        ("search.text.standalone.batches", 7, RANKED | {"train_standalone"}),
        ("search.text.standalone.random", 2, RANKED | {"retrain_random"}),
        ("search.text.full.enas", ["none", "wpl", "l2"], SEARCHED),
        # A setting of an arm that does not run: only the params stored with results change.
        ("search.text.plasticity.decay_from", 0, RANKED),
    ],
)
def test_a_parameter_reruns_the_jobs_that_read_it(planning, key, value, expected):
    planning.set(key, value)
    assert set(planning.planned()) == expected


def test_alpha_reruns_the_jobs_of_its_arm(project):
    project.set("wpl.alpha", 3.0)
    assert project.planned()["train_second"] == 2
    project("snakemake --cores all --quiet all")
    assert project.ran() == sorted([*WPL, *JUDGED_JOBS])
    project.set("wpl.alpha", 1000.0)
    project("snakemake --cores all --quiet all")
    assert project.ran() == [], "finished jobs are kept"


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("plasticity", JUDGED | SEARCHED | {"train_second", "train_split"}),
        ("evaluation", JUDGED | RANKED),
        ("fisher/estimate", AFTER_FISHER | RANKED | {"search_cells", "train_standalone"}),
        ("omega", AFTER_FISHER - {"estimate_fisher"}),
        ("two_models/two_models_findings", JUDGED),
        ("search/judging/search_findings", RANKED),
        ("search/strategies/controller", SEARCHED),
        ("data/image_sources", rules(TWO_MODELS) | RANKED | {"search_cells", "train_standalone"}),
    ],
)
def test_an_edit_of_the_library_reruns_the_jobs_that_import_it(planning, module, expected):
    (file,) = (planning.path / "src").glob(f"*/{module}.py")
    with file.open("a") as stream:
        stream.write("\nEDITED = True\n")
    assert set(planning.planned()) == expected


def test_an_added_seed_is_trained_alone(planning):
    """The jobs of other seeds do not change if they are full."""
    planning.set("seeds_per_job", 2)
    planning.set("seeds", [0, 1, 2])
    planned = planning.planned()
    trained = {rule: number for rule, number in planned.items() if rule.startswith("train_")}
    assert trained == {"train_first": 1, "train_second": len(SECOND), "train_split": 1}
    of_others = [f"results/{job}.csv" for job in (*SECOND, "train_split/from0")]
    assert "Nothing to be done" in planning.plan(*of_others)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("arms", 'colour="#0072B2"', 'colour="#0072B3"'),
        ("arms", "_ENTRIES = (", "EDITED = True\n_ENTRIES = ("),
        ("arm_choice", 'DEFAULT = "default"', 'EDITED = True\nDEFAULT = "default"'),
    ],
)
def test_an_edit_of_the_table_of_arms_trains_nothing(planning, file, old, new):
    planning.edit(f"src/wpl_lab/{file}.py", old, new)
    assert set(planning.planned()) == JUDGED | RANKED


def test_an_edit_of_the_code_of_one_task_does_not_rerun_the_other(planning):
    with (planning.path / "src/wpl_lab/search/spaces/image_task.py").open("a") as stream:
        stream.write("\nEDITED = True\n")
    assert table(planning.plan("search_text")) == {}
    assert table(planning.plan("search_images"))["search_cells"] > 0


def test_an_edit_of_a_declaration_runs_nothing(planning):
    """A job does not depend on the checks of params.yaml."""
    with (planning.path / "src/wpl_lab/search/spaces/image_settings.py").open("a") as stream:
        stream.write("\nEDITED = True\n")
    assert planning.planned() == {}


def test_an_edit_of_docstrings_and_comments_reruns_nothing(planning):
    """Docstrings, comments and layout are changed in every file."""
    for file in (planning.path / "src").rglob("*.py"):
        text = file.read_text()
        file.write_text(f'"""A word."""\n\n\n# And one more.\n{text}' if text else text)
    assert planning.planned() == {}


def test_an_edit_that_does_not_change_a_result_stops_there(project):
    """The reader of images changes, but the images do not, so nothing is trained again."""
    with (project.path / "src/wpl_lab/data/image_sources.py").open("a") as file:
        file.write("\nEDITED = True\n")
    project("snakemake --cores all --quiet all --until prepare_data")
    assert project.ran() == ["prepare_data/data", "prepare_data/images"]
    assert "Nothing to be done" in project("snakemake --cores all")


def test_a_users_text_is_read_again_when_it_changes(project, tmp_path):
    for part in ("train", "valid", "test"):
        (tmp_path / f"{part}.txt").write_text(f"once upon a {part}\n")
    project.set("text.source", "folder")
    project.set("text.root", str(tmp_path))
    run = "snakemake --cores all results/prepare_text/text.safetensors"
    project(run)
    assert project.ran() == ["prepare_text"]
    assert "Nothing to be done" in project(run)
    (tmp_path / "valid.txt").write_text("they lived\n")
    project(run)
    assert project.ran() == ["prepare_text"]
    (tmp_path / "test.txt").write_text("\n")
    assert "error: prepare_text: " + str(tmp_path / "test.txt") + " holds no word" in project(
        run, fails=True
    )


def test_a_failing_job_is_explained_in_one_line_and_loses_nothing(project):
    before = project.results()
    project.set("fisher.samples", 5000)
    printed = project("snakemake --cores all", fails=True)
    expected = (
        "error: estimate_fisher first=0: fisher.samples is 5000, but there are only 1293 training "
        "images"
    )
    assert expected in printed
    assert "Traceback" not in printed
    # Independent jobs run; the split has less data, and uses all of it.
    failing = [*ESTIMATED, "evaluate_data/data"]
    assert project.ran() == [*failing, "train_split/from0"]
    project.set("fisher.samples", 100)
    project("snakemake --cores all --quiet all")
    assert project.ran() == [], "all are restored"
    assert project.results() == before


def test_obsolete_results_are_removed_by_a_full_run_only(project):
    (project.path / "results/train_second/notes.md").write_text("mine")
    (project.path / "results/train_second/.from0.csv.77.tmp").write_text("of a job that was killed")
    project.set("compare.arms", ["none", "wpl", "l2", "frozen"])
    project("snakemake --cores all --quiet all --until train_second")
    assert (project.path / "results/train_second/shared1/joint/from0.csv").exists()
    project("snakemake --cores all --quiet all")
    assert not list((project.path / "results").rglob("joint*"))
    assert not list((project.path / "results").rglob(".*.tmp"))
    assert (project.path / "results/train_second/notes.md").read_text() == "mine"
    assert project.ran() == sorted(JUDGED_JOBS)


def test_a_killed_run_resumes(project):
    """After SIGKILL of Snakemake there are no orphans and no locks, and no finished job is lost."""
    expected = project.results()
    for lost in ("train_second", "evaluate_forgetting", "plot_two_models"):
        shutil.rmtree(project.path / "results" / lost)
    shutil.rmtree(project.path / ".jobcache")
    run = project.begin("snakemake --cores 2 --quiet all")
    second = project.path / "logs/train_second"
    wait_until(lambda: len(list(second.rglob("*.log"))) >= 3, run)
    run.kill()
    run.communicate()
    wait_until(lambda: not project.jobs())
    begun = set(project.ran())
    project("snakemake --cores all --quiet all")
    again = set(project.ran())
    assert begun | again == {*SECOND, *JUDGED_JOBS}
    assert len(begun & again) <= 2
    assert project.results() == expected


def test_a_run_of_everything_covers_every_rule(shared):
    planned = shared.plan("--forceall")
    for file in ("two_models.smk", "search.smk"):
        text = (ROOT / "workflow/rules" / file).read_text()
        for rule in re.findall(r"^rule (\w+):", text, re.MULTILINE):
            assert f"\n{rule} " in planned
