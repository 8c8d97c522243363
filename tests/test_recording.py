"""Results have their params; DVC records those of params.yaml, stage by stage."""

import json
import shutil
import sys

import yaml
from workspace import rules, wait_until

REFUSED = "output '.snakemake/made_with_params.yaml/two_models' does not exist"
UP_TO_DATE = "Data and pipelines are up to date."


def test_results_have_their_params(recorded):
    stages = yaml.safe_load((recorded.path / "dvc.yaml").read_text())["stages"]
    params = yaml.safe_load((recorded.path / "params.yaml").read_text())
    for folder, stage in (
        ("evaluate_forgetting", "two_models"),
        ("evaluate_search/text", "search_text"),
        ("evaluate_search/images", "search_images"),
    ):
        made_with = json.loads((recorded.path / f"results/{folder}/params.json").read_text())
        assert list(made_with) == stages[stage]["params"]
        for key, value in made_with.items():
            expected = params
            for name in key.split("."):
                expected = expected[name]
            assert value == expected, key


def test_results_of_an_overlay_are_not_recorded_and_replaced_ones_are_restored(project):
    """This holds also after `dvc pull`, when there are no finished jobs."""
    before = project.results()
    shutil.rmtree(project.path / ".jobcache")
    (project.path / "weaker.yaml").write_text("wpl: {alpha: 3.0}\n")
    project("snakemake --cores all --quiet all --configfile weaker.yaml")
    assert rules(project.ran()) == {"train_second", "evaluate_forgetting", "plot_two_models"}
    made_with = project.results()["results/evaluate_forgetting/params.json"]
    assert json.loads(made_with)["wpl"] == {"alpha": 3.0}
    for command in ("dvc exp save", "dvc commit --force"):
        assert REFUSED in project(command, fails=True)
    project("snakemake --cores all --quiet all")
    assert project.ran() == []
    assert project.results() == before
    project("dvc repro --quiet")
    assert project.ran() == []
    assert UP_TO_DATE in project("dvc status")


def test_an_overlay_is_an_experiment_in_one_command(project):
    (project.path / "weaker.yaml").write_text(
        "wpl: {alpha: 3.0}\ncompare: {remedies: [], arms: [none, wpl, l2]}\ndata: {size: null}\n"
    )
    project(f"{sys.executable} workflow/support/experiment.py weaker.yaml --quiet --name weaker")
    params = yaml.safe_load((project.path / "params.yaml").read_text())
    assert (params["wpl"]["alpha"], params["compare"]["remedies"]) == (3.0, [])
    made_with = json.loads(project.results()["results/evaluate_forgetting/params.json"])
    assert made_with["compare"] == params["compare"]
    assert "weaker" in project("dvc exp list --name-only")
    assert UP_TO_DATE in project("dvc status")


def test_a_partial_run_is_not_recorded(project):
    project.set("wpl.alpha", 3.0)
    project("snakemake --cores all --quiet all --until train_second")
    assert REFUSED in project("dvc commit --force", fails=True)
    project("git checkout --quiet params.yaml && dvc checkout --quiet --force")
    assert "Nothing to be done" in project("snakemake --cores all")
    assert UP_TO_DATE in project("dvc status")


def test_a_killed_run_is_not_recorded_until_it_is_finished(project):
    project.set("wpl.alpha", 3.0)
    run = project.begin("snakemake --cores 1 --quiet all")
    wait_until(project.jobs, run)
    run.kill()
    run.communicate()
    wait_until(lambda: not project.jobs())
    assert REFUSED in project("dvc commit --force", fails=True)
    project("snakemake --cores all --quiet all")
    project("dvc repro --quiet")
    assert UP_TO_DATE in project("dvc status")


def test_a_single_stage_is_run(project):
    before = project.results()
    project.set("search.text.standalone.random", 2)
    project("snakemake search_text --cores all --quiet all")
    printed = project("dvc repro --single-item search_text")
    assert rules(project.ran()) == {"retrain_random", "evaluate_search", "plot_search"}
    assert "didn't change" in project("dvc repro two_models search_images")
    assert UP_TO_DATE in project("dvc status"), printed
    assert "Nothing to be done" in project("snakemake --cores all")
    changed = {name for name, content in project.results().items() if before.get(name) != content}
    assert changed
    assert all("/text/" in name for name in changed)
    project("git reset --quiet --hard && dvc checkout --quiet")
    assert "Nothing to be done" in project("snakemake --cores all")
    assert project.results() == before


def test_an_empty_folder_is_recorded(project):
    project.set("compare.remedies", [])
    project("snakemake --cores all --quiet all")
    project("dvc repro --quiet")
    assert not any((project.path / "results/estimate_importance").iterdir())
    assert UP_TO_DATE in project("dvc status")


def test_a_change_of_the_users_data_is_noticed(project, tmp_path):
    root = tmp_path / "texts"
    root.mkdir()
    for part in ("train", "valid", "test"):
        (root / f"{part}.txt").write_text(f"once upon a {part}\n")
    project.set("text.source", "folder")
    project.set("text.root", str(root))
    project("dvc commit --force --quiet search_text")
    assert UP_TO_DATE in project("dvc status search_text")
    (root / "valid.txt").write_text("they lived\n")
    status = project("dvc status search_text").split()
    assert status[-2:] == ["modified:", str(root)]
