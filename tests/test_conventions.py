"""Conventions of the project that can be checked: one name in five places, consistent lists."""

import re
import tomllib

import pytest
import yaml
from workspace import ROOT, RULES, Workspace

VERBS = ("prepare", "train", "estimate", "search", "retrain", "evaluate", "plot")
SCRIPT = re.compile(r'"\.\./scripts/(\w+|plot_\{wildcards\.figure\})\.py"')


@pytest.mark.parametrize("rule", RULES)
def test_one_name_in_five_places(rule):
    """Rule, script, results and caption share a name; the log has that of the results."""
    body = RULES[rule]
    assert rule.startswith(VERBS)
    figures = rule.startswith("plot")
    assert SCRIPT.findall(body) == ["plot_{wildcards.figure}" if figures else rule]
    assert set(re.findall(r'"results/(\w+)/', body)) == {rule}
    captions = re.findall(r'caption="../report/(\w+)\.rst"', body)
    assert not captions or rule in captions
    assert all((ROOT / f"workflow/report/{caption}.rst").is_file() for caption in captions)


def test_every_script_has_a_rule_or_figure(recorded):
    scripts = {p.stem for p in (ROOT / "workflow/scripts").glob("*_*.py")}
    figures = {f"plot_{p.stem}" for p in recorded.path.glob("results/plot_*/**/*.png")}
    figures |= {
        "plot_budget",
        "plot_transfer",
    }  # figures of plot_published, which the default does not run
    assert scripts == {rule for rule in RULES if not rule.startswith("plot")} | figures


def test_the_library_does_not_depend_on_the_workflow():
    files = [f for part in ("wpl", "wpl_lab") for f in (ROOT / "src" / part).rglob("*.py")]
    for file in files:
        assert not re.search(
            r"import (snakemake|support|dvc)\b|from (snakemake|support|dvc)\b", file.read_text()
        )


def test_scripts_read_their_params_and_not_the_configuration():
    for file in (ROOT / "workflow/scripts").glob("*.py"):
        assert "snakemake.config" not in file.read_text()


def test_nothing_is_unpickled():
    """Except tables with known checksums, by a reader that admits plain values only."""
    forbidden = r"import pickle|pickle\.|torch\.load\(|joblib"
    files = [*(ROOT / "src").rglob("*.py"), *(ROOT / "workflow").rglob("*.py")]
    for file in files:
        allowed = file.name == "plain_pickle.py"
        assert allowed or not re.search(forbidden, file.read_text()), file


def test_every_output_of_the_workflow_is_one_output_of_a_stage(recorded):
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    outputs = [next(iter(out.items())) for stage in stages.values() for out in stage["outs"]]
    assert all(settings["persist"] for _, settings in outputs)
    files = recorded.results()
    assert len(files) > 30
    for file in files:
        owners = [path for path, _ in outputs if file == path or file.startswith(path + "/")]
        assert len(owners) == 1, (file, owners)
        assert not (recorded.path / file).is_symlink(), file


def test_every_parameter_belongs_to_a_stage():
    """DVC would not notice the change of a parameter that belongs to none.

    Searches with a published ground truth are in none, as they run with an overlay of their own.
    """
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    read = {key for stage in stages.values() for key in stage["params"]}
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    search = {f"search.{key}" for key in params.pop("search")} - {"search.nasbench201"}
    assert read == {*params, *search}


def test_every_figure_is_a_plot_of_dvc(recorded):
    plots = yaml.safe_load((ROOT / "dvc.yaml").read_text())["plots"]
    figures = {file.rpartition("/")[0] for file in recorded.results() if file.endswith(".png")}
    assert figures == {name for name in plots if isinstance(name, str)}


def test_the_conda_environment_has_the_ranges_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["workflow"]
    environment = yaml.safe_load((ROOT / "workflow/envs/wpl.yaml").read_text())["dependencies"]
    alias = {"torch": "pytorch", "lazy-loader": "lazy_loader", "matplotlib": "matplotlib-base"}
    names = [re.match(r"([\w-]+)(.*)", w).groups() for w in wanted]
    expected = {
        alias.get(n, n) + r.replace("==", "=") for n, r in names if n not in ("dvc", "snakemake")
    }
    assert {d for d in environment if not d.startswith("python")} == expected


def test_spelling_is_checked_in_what_git_does_not_ignore(tmp_path):
    (command,) = re.findall(r"git ls-files .* codespell", (ROOT / "Makefile").read_text())
    project, wrong = Workspace.create(tmp_path), "rec" + "ieve\n"
    (tmp_path / "data/letters.txt").write_text(wrong)
    assert project(command) == ""
    (tmp_path / "docs/new.md").write_text(wrong)
    assert project(command, fails=True).startswith("docs/new.md:1: ")
