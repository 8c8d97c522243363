"""A run as a Workflow Run RO-Crate; `make check-crate` validates it against the profiles."""

import json
from zipfile import ZipFile

import pytest

from support import crate

RAN = (1_700_000_000.0, 1_700_000_100.5)
RESULTS = [
    "results/evaluate_forgetting/cases.csv",
    "results/plot_search/text/errors.png",
    "results/plot_search/text/errors.svg",
]


@pytest.fixture
def graph():
    described = crate.describe(RESULTS, ran=RAN, revision="abc")
    return {entity["@id"]: entity for entity in described["@graph"]}


def links(entity, name):
    found = entity.get(name, [])
    return [link["@id"] for link in (found if isinstance(found, list) else [found])]


def test_every_reference_is_an_entity(graph):
    outside = ("https://", "http://")
    for entity in graph.values():
        for name, values in entity.items():
            for value in values if isinstance(values, list) else [values]:
                if isinstance(value, dict):
                    (target,) = value.values()
                    assert target in graph or target.startswith(outside), (entity["@id"], name)


def test_the_crate_has_what_the_profiles_require(graph):
    root, workflow, run = graph["./"], graph["Snakefile"], graph["#run"]
    assert {*links(root, "conformsTo")} == {*crate.PROFILES}
    assert links(root, "mainEntity") == ["Snakefile"]
    assert {*workflow["@type"]} == {"File", "SoftwareSourceCode", "ComputationalWorkflow"}
    assert run["startTime"] == "2023-11-14T22:13:20+00:00"
    assert run["endTime"] == "2023-11-14T22:15:00+00:00"
    assert links(run, "object") == ["params.yaml"]
    assert links(run, "result") == ["results/evaluate_forgetting/", "results/plot_search/"]
    for side, wanted in (("input", ["params.yaml"]), ("output", links(run, "result"))):
        parameters = [graph[link] for link in links(workflow, side)]
        assert [links(parameter, "workExample")[0] for parameter in parameters] == wanted
    for path in RESULTS:
        assert graph[path]["encodingFormat"] in {"text/csv", "image/png", "image/svg+xml"}


def test_a_missing_run_is_reported(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(crate, "_git", lambda *command: "")
    assert crate.main() == 1
    assert "no record of a finished run" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_finished_run(shared):
    shared("PYTHONPATH=workflow:src python -m support.crate")
    with ZipFile(shared.path / crate.CRATE) as zipped:
        names = set(zipped.namelist())
        described = json.loads(zipped.read(crate.DESCRIPTION))
        for entity in described["@graph"]:
            if entity["@type"] == "File":
                assert entity["@id"] in names
            if entity["@type"] == "Dataset" and entity["@id"] != "./":
                assert any(name.startswith(entity["@id"]) for name in names), entity["@id"]
    assert "results/evaluate_forgetting/headline.json" in names
    assert not any(name.endswith(".safetensors") for name in names)
    (run,) = (e for e in described["@graph"] if e["@id"] == "#run")
    assert run["startTime"] < run["endTime"]
