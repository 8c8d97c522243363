"""The report is one file that works offline, and every entry in it is present and labelled."""

import re

import pytest
import report_page
from workspace import ROOT

from support import labels, start_page
from wpl_lab.io.rendering import page, to_html

PARAMS = {"seeds": [0, 1], "search": {"device": "cpu", "text": {"seeds": [3]}}}


@pytest.fixture(scope="module")
def written(shared):
    shared("snakemake --report report.html --quiet all")
    return shared, (shared.path / "report.html").read_text("utf-8")


def test_every_entry_has_its_file_a_label_and_a_caption(written):
    project, text = written
    results = report_page.variable(text, "results")
    made = {
        str(file.relative_to(project.path)) for file in project.path.glob("results/plot_*/**/*.png")
    }
    made |= {
        str(f.relative_to(project.path)) for f in project.path.glob("results/**/findings.html")
    }
    assert made <= results.keys()
    for path, entry in results.items():
        _, raw = report_page.content(entry["data_uri"])
        assert raw == (project.path / path).read_bytes(), path
        assert len(entry["caption"]) > 50, path
        (label,) = entry["labels"].values()
        assert label[0].isupper(), path
    listed = report_page.variable(text, "categories")
    names = [path for parts in listed.values() for paths in parts.values() for path in paths]
    assert sorted(names) == sorted(results)


def test_nothing_is_fetched(written):
    _, text = written
    assert report_page.FETCHED.findall(text) == []


def test_it_starts_with_the_claims_and_the_parameters(written):
    project, text = written
    start = report_page.variable(text, "workflow_desc")
    for study in start_page.STUDIES.values():
        claims = (project.path / "results" / study / "claims.md").read_text("utf-8")
        assert to_html(claims) in start, study
    for told in ("git revision", "processor", "torch", "seeds of the two models"):
        assert told in start
    assert "alpha:" in start, "parameters"
    assert 'class="system-message"' not in start, "an error message of docutils"


def test_the_graph_has_a_node_per_rule(written):
    _, text = written
    nodes = [
        node["rule"] for node in report_page.variable(text, "rulegraph_spec")["data"][0]["values"]
    ]
    assert {"prepare_data", "train_second", "search_cells", "plot_search"} <= set(nodes)
    assert len(nodes) < 40, "not a node per job"


def test_every_figure_of_the_workflow_has_a_label():
    rules = ROOT / "workflow/rules"
    text = "".join((rules / f"{name}.smk").read_text() for name in ("common", "published_cases"))
    named = re.findall(r'^    "(\w+)": \[', text, re.MULTILINE)
    assert set(named) == set(labels.FIGURES)


def test_the_start_page_leaves_out_studies_that_were_not_run(tmp_path):
    folder = tmp_path / "evaluate_search/text"
    folder.mkdir(parents=True)
    (folder / "claims.md").write_text("| a | b |\n|---|---|\n| 1 | <2 |\n")
    text = start_page.start_page(tmp_path, PARAMS)
    assert "Architecture search on text" in text
    assert "<td>&lt;2</td>" in text
    assert "Two models in sequence" not in text
    assert "<td>seeds of the searches, text</td><td>3</td>" in text


def test_a_page_of_findings_is_complete():
    text = page("# Findings of all\n\n| a |\n|---|\n| β |\n")
    assert text.startswith("<!doctype html>")
    assert '<meta charset="utf-8"><title>Findings of all</title>' in text
    assert "<td>β</td>" in text
