"""The workflow as a module of another workflow, and run from another folder."""

from workspace import ROOT, Workspace, table

USE = f"""
rule theirs:
    output: "theirs.txt"
    script: "theirs.py"

module wpl:
    snakefile: "{ROOT / "Snakefile"}"

use rule * from wpl as wpl_*

rule mine:
    default_target: True
    input: "results/plot_two_models/tradeoff.png"
"""


def test_its_rules_are_used_in_another_workflow(tmp_path):
    (tmp_path / "Snakefile").write_text(USE)
    other = Workspace(tmp_path)
    planned = table(other.plan())
    assert planned["wpl_plot_two_models"] == planned["wpl_train_first"] == planned["mine"] == 1
    assert not any("search" in rule for rule in planned)
    (tmp_path / "theirs.py").write_text("open(snakemake.output[0], 'w').write('it')")
    other("snakemake --cores 1 theirs.txt")
    assert (tmp_path / "theirs.txt").read_text() == "it"
    other("snakemake --cores 1 results/prepare_text/text.safetensors")
    assert (tmp_path / "results/prepare_text/text.safetensors").is_file()
    assert "done in" in (tmp_path / "logs/prepare_text.log").read_text()


def test_from_another_folder_it_reports_where_results_are_written(tmp_path):
    printed = Workspace(tmp_path).plan("--snakefile", str(ROOT / "Snakefile"))
    assert f"Results go to {tmp_path}; those of the project with --directory {ROOT}" in printed
    assert table(printed)["train_first"] == 1
