"""The claims of the documents match the results."""

import re
from pathlib import Path

import pandas as pd
import pytest
import simulated_searches as simulated
import yaml
from jinja2 import UndefinedError
from workspace import ROOT

from support.claims import BLOCK, DOCUMENTS, main, renewed
from wpl_lab.io.files import load_table
from wpl_lab.io.rendering import render
from wpl_lab.search.judging.claims import Claims, words
from wpl_lab.search.judging.judge import Lengths, judge
from wpl_lab.two_models import second_model_effects as comparison
from wpl_lab.two_models.stops import stop_title
from wpl_lab.two_models.two_models_claims import Claims as TwoModels
from wpl_lab.two_models.two_models_verdicts import verdicts

TABLES = ("arms", "verdicts", "yardsticks")
TEXTS = ("claims", "caption")


def template(name):
    return (ROOT / f"workflow/templates/{name}.md").read_text()


def rendered(claims, text, task="text"):
    return render(template(f"search_{text}"), s=claims, **words(task))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_contain_the_rendered_claims(document):
    text = (ROOT / document).read_text()
    assert BLOCK.search(text)
    assert renewed(text, ROOT) == text, "run `make claims`"


@pytest.mark.parametrize("text", TEXTS)
def test_rendered_claims_about_two_models_match_the_results(text):
    folder = ROOT / "results" / "evaluate_forgetting"
    shared = yaml.safe_load((ROOT / "params.yaml").read_text())["compare"]["headline"]
    tables = (load_table(folder / f"{n}.csv", dtype={"stop": str}) for n in ("cases", "verdicts"))
    own = render(
        template(f"two_models_{text}"), m=TwoModels(*tables, shared), stop_title=stop_title
    )
    assert own == (folder / f"{text}.md").read_text()


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("task", ["text", "images"])
def test_rendered_claims_about_searches_match_the_results(task, text):
    folder = ROOT / "results" / "evaluate_search" / task
    claims = Claims(**{name: load_table(folder / f"{name}.csv") for name in TABLES})
    assert rendered(claims, text, task) == (folder / f"{text}.md").read_text()


def test_no_number_about_a_result_is_typed():
    """Except in rendered claims, documents have no intervals, p-values or means with decimals."""
    for document in DOCUMENTS:
        typed = BLOCK.sub("", (ROOT / document).read_text())
        assert not re.findall(r"\bp [=<] |\[[−+-]?\d+\.\d+, |\d\.\d\d+ →", typed), document


ARMS = ("none", "wpl", "slow", "replay")


def claims(**how):
    """Return the claims about simulated searches."""
    lengths = Lengths(truth=700, longer=1400, short=100)
    given = simulated.given(simulated.runs(**how))
    judged = judge(given, task="text", primary="err2", lengths=lengths)
    return Claims(**{name: judged.tables[name] for name in TABLES})


@pytest.mark.parametrize(
    "how",
    [
        {"arms": ARMS, "seeds": range(10), "methods": ("enas", "uniform")},
        {"arms": ("none", "wpl"), "seeds": range(1)},
        {"arms": ("none",), "seeds": range(3)},
    ],
    ids=["all arms", "one seed", "no remedy"],
)
def test_templates_render_whatever_was_run(how):
    own = claims(**how)
    for text in (rendered(own, name, task) for name in TEXTS for task in ("text", "images")):
        assert "nan" not in text
        assert "{" not in text
        rows = [line for line in text.splitlines() if line.startswith("|")]
        assert {row.count("|") for row in rows} <= {5, 8, 11}, "as many cells as the header"


def test_a_claim_has_the_number_and_the_verdict_of_the_tables():
    own = claims(arms=ARMS, seeds=range(10))
    row = own.verdicts.query("outcome == 'err2' and arm == 'wpl' and against == 'slow'").iloc[0]
    said = own.difference("err2", "enas", "wpl", "slow")
    assert f"{row['value']:+.3f}".replace("-", "−") in said
    assert f"Holm's p {row['holm']:.3f}" in said
    assert own.verdict("err2", "enas", "wpl", "slow") == "**better**"
    assert own.verdict("tau", "enas", "wpl", "none").startswith("not shown (n = 10 would show")
    assert own.verdict("tau", "nao", "wpl", "none") == "–", "it was not run"
    assert own.positive("forgetting", "enas", "none") == "yes"
    assert own.positive("regret", "nao", "none") == "–"
    assert len(own.decisions()) == 4
    assert own.seeds("enas", "wpl") == "10"
    mean = pd.Series(own.arms.query("outcome == 'forgetting' and arm == 'none'")["value"]).iloc[0]
    assert own.short("forgetting", "enas", "none") == f"{mean:.3f}"


def test_a_template_with_an_unknown_quantity_is_refused():
    with pytest.raises(UndefinedError, match="nothing"):
        render("{{ nothing.of_the_kind }}")


def test_the_command_updates_documents_and_names_a_missing_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in DOCUMENTS:
        Path(name).write_text("before\n<!-- from claims.md -->\nold\n<!-- end -->\nafter\n")
    assert main() == 1
    assert "error: claims.md: no such file" in capsys.readouterr().err
    assert "old" in Path("README.md").read_text(), "all or nothing"
    Path("claims.md").write_text("new\n")
    assert main() == 0
    for name in DOCUMENTS:
        text = "before\n<!-- from claims.md -->\nnew\n<!-- end -->\nafter\n"
        assert Path(name).read_text() == text


def of_two_models(seeds):
    """Simulate two models: WPL and the uniform anchor both retain A; the latter costs B more."""
    ends = {"none": (0.5, 0.9), "wpl": (0.89, 0.85), "l2": (0.88, 0.8)}
    records = [
        {"shared": shared, "stop": stop, "arm": arm, "alpha": alpha, "own": True, "seed": seed}
        | {"iteration": i, "accuracy_first": first + 0.01 * seed, "accuracy_second": second}
        for shared in (1, 3)
        for stop in ("converged", "0.55")
        for arm, end in ends.items()
        for alpha in [0.0 if arm == "none" else 10.0]
        for seed in range(seeds)
        for i, (first, second) in enumerate([(0.9, 0.1), end])
    ]
    scores = comparison.final_scores(pd.DataFrame(records))
    judged = verdicts(scores[scores["shared"] == 3])
    return TwoModels(comparison.compare(scores), judged, 3)


@pytest.mark.parametrize("seeds", [1, 10])
def test_templates_of_two_models_render(seeds):
    own = of_two_models(seeds)
    for name in TEXTS:
        text = render(template(f"two_models_{name}"), m=own, stop_title=stop_title)
        assert "nan" not in text
        assert "{" not in text
    assert own.percent("reduction", "0.55", "wpl").startswith("97.5")
    assert own.percent("after", "converged", "omega") == "–", "it was not run"
    assert own.layers == [1, 3]
    primary = own.decisions()
    assert [row["case"] for row in primary] == ["A converged", "A stopped at 0.55"]
    assert all(row["verdict"] == "less forgetting" for row in primary) == (seeds == 10)
