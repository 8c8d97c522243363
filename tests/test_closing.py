"""The three lines at the end of a run."""

import json

from support.closing import lines


def put(folder, name, headline):
    file = folder / "results" / name / "headline.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(headline))


def test_they_contain_the_metrics(tmp_path):
    arms = {"none": {"forgetting": 0.3206}, "wpl": {"reduction": 0.996, "cost": 0.0039}}
    put(tmp_path, "evaluate_forgetting", {"converged": arms, "0.55": {}})
    of_search = {"enas": {"forgetting": {"none": 0.0974, "wpl": 0.0172}}, "nao": {}}
    put(tmp_path, "evaluate_search/text", of_search)
    results, figures, report = lines(tmp_path, plain=True)
    assert "A converged and loses 32.1 points to B" in results
    assert "WPL removes 100 % at a cost to B of 0.4 points" in results
    assert "0.097 nats, with WPL 0.017 (ENAS on text)" in results
    assert "results/plot_*" in figures
    assert "make report" in report
    assert "snakemake --report report.html" in lines(tmp_path, plain=False)[-1]


def test_studies_that_were_not_run_are_left_out(tmp_path):
    assert len(lines(tmp_path, plain=True)) == 2
    put(tmp_path, "evaluate_forgetting", {"converged": {"none": {"forgetting": 0.2}}})
    put(tmp_path, "evaluate_search/text", {"enas": {"forgetting": {"none": 0.1, "wpl": None}}})
    assert lines(tmp_path, plain=True)[0] == "Results: A converged and loses 20.0 points to B"


def test_no_forgetting_is_not_divided_by(tmp_path):
    arms = {"none": {"forgetting": 0.0}, "wpl": {"reduction": None, "cost": 0.0}}
    put(tmp_path, "evaluate_forgetting", {"converged": arms})
    assert lines(tmp_path, plain=True)[0] == "Results: A converged and loses 0.0 points to B"
