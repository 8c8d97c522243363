"""What the documents claim is what the results say."""

import re
from pathlib import Path

import pandas as pd
import pytest
import simulated_searches as simulated
from jinja2 import UndefinedError
from workspace import ROOT

from support.claims import BLOCK, DOCUMENTS, main, renewed
from wpl_lab.io.files import load_table
from wpl_lab.io.rendering import render
from wpl_lab.search.judging.claims import Claims, words
from wpl_lab.search.judging.judge import Lengths, judge

TABLES = ("arms", "verdicts", "yardsticks")
TEXTS = ("claims", "caption")


def template(name):
    return (ROOT / f"workflow/templates/{name}.md").read_text()


def rendered(claims, text, task="text"):
    return render(template(f"search_{text}"), s=claims, **words(task))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_hold_what_the_workflow_rendered(document):
    text = (ROOT / document).read_text()
    assert BLOCK.search(text)
    assert renewed(text, ROOT) == text, "run `make claims`"


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("task", ["text", "images"])
def test_what_was_rendered_is_what_the_results_say(task, text):
    folder = ROOT / "results" / "evaluate_search" / task
    claims = Claims(**{name: load_table(folder / f"{name}.csv") for name in TABLES})
    assert rendered(claims, text, task) == (folder / f"{text}.md").read_text()


def test_no_number_about_a_result_is_typed():
    """Outside of what is rendered, documents have no interval, p-value or mean with decimals."""
    for document in DOCUMENTS:
        typed = BLOCK.sub("", (ROOT / document).read_text())
        assert not re.findall(r"\bp [=<] |\[[−+-]?\d+\.\d+, |\d\.\d\d+ →", typed), document


ARMS = ("none", "wpl", "slow", "replay")


def claims(**how):
    """What is claimed of simulated searches."""
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


def test_a_claim_is_the_number_and_the_verdict_of_the_tables():
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


def test_a_template_that_asks_for_what_is_not_there_is_refused():
    with pytest.raises(UndefinedError, match="nothing"):
        render("{{ nothing.of_the_kind }}")


def test_the_command_renews_documents_and_names_a_missing_file(tmp_path, monkeypatch, capsys):
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
