"""Time and memory of jobs, reported by each job and added up by `make usage`."""

import json

from support import usage


def line(rule, **step):
    return json.dumps({"time": 1.0, "rule": rule, "wildcards": {}} | step)


def took(rule, seconds, peak):
    return line(rule, seconds=seconds, processor_seconds=seconds * 2, peak_mb=peak)


def test_jobs_are_added_up_by_rule():
    lines = [line("search", epoch=1), took("plot", 1.0, 90), took("search", 3.0, 300)]
    head, first, second = usage.table([*lines, took("search", 5.0, 200)])
    assert head.split()[:2] == ["rule", "jobs"]
    assert first.split() == ["search", "2", "4.0", "5.0", "16.0", "300"]
    assert second.split() == ["plot", "1", "1.0", "1.0", "2.0", "90"]


def test_without_a_run_there_is_a_message(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert usage.main() == 1
    assert "logs/progress.jsonl" in capsys.readouterr().err


def test_every_job_reports_its_usage(recorded, monkeypatch, capsys):
    monkeypatch.chdir(recorded.path)
    assert usage.main() == 0
    rows = [row.split() for row in capsys.readouterr().out.splitlines()[1:]]
    assert {"train_second", "search_cells", "plot_search"} <= {row[0] for row in rows}
    assert all(50 < int(row[-1]) < 8000 for row in rows), "MB"
