"""The evaluation of two models: numbers, verdicts at equal retention, findings."""

import math

import numpy as np
import pandas as pd
import pytest

from wpl_lab.arm_choice import TITLES
from wpl_lab.two_models import second_model_effects as comparison
from wpl_lab.two_models.equal_retention import TradeOff, at_retention, trade_off
from wpl_lab.two_models.two_models_findings import findings
from wpl_lab.two_models.two_models_verdicts import verdicts

SEEDS = 6
FISHER = {"kind": "mc", "samples": 77}
SCORES = {
    ("none", 0.0): [(0.5 + 0.01 * s, 0.90) for s in range(SEEDS)],
    ("wpl", 10.0): [(0.9, 0.85)] * SEEDS,
    ("wpl", 1.0): [(0.7, 0.88)] * SEEDS,
    ("l2", 10.0): [(0.9, 0.80)] * SEEDS,
    ("l2", 1.0): [(0.7, 0.86)] * SEEDS,
    ("frozen", 0.0): [(0.9, 0.70)] * SEEDS,
}
OWN = {"wpl": 10.0, "l2": 10.0, "ewc": 10.0}


def history_of(scores, shared=2, stop="converged"):
    """Make records of runs from .9 and .1 to the given scores of A and B, by seed."""
    return pd.DataFrame(
        {
            "shared": shared,
            "stop": stop,
            "arm": arm,
            "alpha": alpha,
            "own": alpha == OWN.get(arm, 0),
        }
        | {"seed": seed, "iteration": i, "accuracy_first": a, "accuracy_second": b}
        for (arm, alpha), pairs in scores.items()
        for seed, pair in enumerate(pairs)
        for i, (a, b) in enumerate([(0.9, 0.1), pair])
    )


def judged(scores, **case):
    """Return the verdicts on scores, by quantity, arm and the arm that it is compared with."""
    table = verdicts(comparison.final_scores(history_of(scores, **case)))
    assert table["claim"].is_unique
    return table.set_index(["quantity", "arm", "against"])


def test_comparison_of_known_scores():
    other = {key: [(0.4, 0.3)] * SEEDS for key in SCORES}
    history = pd.concat(
        [history_of(SCORES), history_of(other, shared=1), history_of(other, stop="0.4")]
    ).sample(frac=1, random_state=0)
    everything = comparison.compare(comparison.final_scores(history))
    assert len(everything) == 3 * len(SCORES)
    compared = everything[(everything["shared"] == 2) & (everything["stop"] == "converged")]
    compared = compared.set_index(["arm", "alpha"])
    lost = 0.9 - (0.5 + 0.01 * 2.5)
    none, wpl, weak = (compared.loc[k] for k in (("none", 0.0), ("wpl", 10.0), ("wpl", 1.0)))
    assert none["forgetting"] == pytest.approx(lost)
    assert wpl["reduction"] == pytest.approx(1)
    assert weak["reduction"] == pytest.approx(1 - 0.2 / lost)
    assert weak["reduction_low"] < weak["reduction"] < weak["reduction_high"]
    assert wpl["cost"] == pytest.approx(0.05)
    assert wpl["forgetting_p"] == pytest.approx(2 / 2**SEEDS)
    assert wpl["cost_p"] == pytest.approx(2 / 2**SEEDS)
    assert none["cost_p"] == 1

    cases = everything[everything["own"]]
    own = set(cases[["arm", "alpha"]].itertuples(index=False, name=None))
    assert own == {("none", 0.0), ("wpl", 10.0), ("l2", 10.0), ("frozen", 0.0)}
    headline = comparison.headline(cases, 2)["converged"]
    assert headline["none"] == pytest.approx({"forgetting": lost, "second": 0.9})
    assert headline["wpl"] == pytest.approx({"reduction": 1.0, "cost": 0.05})
    assert list(headline) == ["none", "wpl", "l2", "frozen"]
    curves = comparison.mean_curves(history[history["own"]], 2).set_index("arm")
    assert curves.loc["none", "accuracy_first"].tolist() == pytest.approx([0.9, 0.525])
    assert curves.loc["wpl", "accuracy_second"].tolist() == pytest.approx([0.1, 0.85])


def test_few_seeds_have_no_interval():
    few = {key: pairs[:4] for key, pairs in SCORES.items()}
    compared = comparison.compare(comparison.final_scores(history_of(few)))
    assert compared["cost_low"].isna().all()
    assert compared["cost"].notna().all()


def random_curve(seed, seeds=8):
    random = np.random.default_rng(seed)
    after = np.sort(random.random((5, 1)), 0) + 0.02 * random.standard_normal((5, seeds))
    second = -np.sort(random.random((5, 1)), 0) + 0.02 * random.standard_normal((5, seeds))
    return TradeOff(np.array([0.0, 1.0, 10.0, 100.0, 1000.0]), after, second)


@pytest.mark.parametrize("seed", range(5))
def test_a_trade_off_is_interpolated_on_its_mean_curve(seed):
    of = random_curve(seed)
    for share in (0.1, 0.5, 0.9):
        after = of.after[0].mean() * (1 - share) + of.after[-1].mean() * share
        found = at_retention(of, after)
        line = np.interp(after, of.after.mean(1), of.second.mean(1))
        assert found.second.mean() == pytest.approx(line)
        place = np.interp(after, of.after.mean(1), np.arange(5.0))
        if place > 1:  # between nonzero strengths
            assert math.log10(found.alpha) == pytest.approx(place - 1)
        else:
            assert found.alpha == pytest.approx(place)


def test_the_variance_over_seeds_is_that_of_the_point_on_the_curve():
    """It is compared with the jackknife: the interpolated mean without each of the seeds."""
    of = random_curve(7, seeds=30)
    after = (of.after[1].mean() + of.after[2].mean()) / 2
    found = at_retention(of, after).second
    left_out = []
    for seed in range(30):
        rest = [np.delete(v, seed, axis=1) for v in (of.after, of.second)]
        left_out.append(at_retention(TradeOff(of.alphas, *rest), after).second.mean())
    jackknife = np.std(left_out) * math.sqrt(29)
    assert found.std(ddof=1) / math.sqrt(30) == pytest.approx(jackknife, rel=0.1)


def test_a_retention_that_is_not_reached_has_no_point():
    of = random_curve(0)
    assert at_retention(of, of.after.mean(1).max() + 0.01) is None
    assert at_retention(of, of.after[0].mean()) is None, "no remedy is needed for it"


def test_trade_offs_start_with_no_remedy_and_are_paired_by_seed():
    scores = comparison.final_scores(history_of(SCORES).sample(frac=1, random_state=1))
    of = trade_off(scores, "wpl", {1.0, 10.0})
    assert of.alphas.tolist() == [0.0, 1.0, 10.0]
    np.testing.assert_allclose(of.after[0], [0.5 + 0.01 * s for s in range(SEEDS)])
    np.testing.assert_allclose(of.second[1], 0.88)
    assert trade_off(scores, "wpl", {10.0}).alphas.tolist() == [0.0, 10.0]


@pytest.mark.parametrize(
    ("wpl", "l2", "verdict"),
    [
        ((0.9, 0.85), (0.9, 0.80), "B is better"),
        ((0.9, 0.80), (0.9, 0.86), "B is worse"),
        ((0.6, 0.85), (0.9, 0.80), f"only {TITLES['l2']} reaches it"),
        ((0.9, 0.85), (0.6, 0.85), "only WPL reaches it"),
        ((0.6, 0.85), (0.6, 0.85), "neither reaches it"),
    ],
)
def test_anchors_are_compared_at_equal_retention(wpl, l2, verdict):
    weak = {("wpl", 1.0): [(0.6, 0.9)] * SEEDS, ("l2", 1.0): [(0.6, 0.9)] * SEEDS}
    ends = {("wpl", 10.0): [wpl] * SEEDS, ("l2", 10.0): [l2] * SEEDS}
    row = judged(SCORES | weak | ends).loc["second at equal retention", "wpl", "l2"]
    assert row["verdict"] == verdict
    assert not row["primary"]
    assert math.isnan(row["value"]) == ("reaches" in verdict)


def test_a_stronger_grid_does_not_make_an_anchor_better():
    """L2 is the same anchor, ten times weaker: worse at the same α, equal at equal retention."""
    noise = np.random.default_rng(0).normal(0, 0.002, (4, SEEDS))
    points = [(0.55, 0.89), (0.7, 0.88), (0.88, 0.85), (0.899, 0.80)]
    ends = [[(a + e, b - e) for e in noise[i]] for i, (a, b) in enumerate(points)]
    scores = {("none", 0.0): [(0.5, 0.90)] * SEEDS, ("l2", 1.0): [(0.5, 0.90)] * SEEDS}
    scores |= {("wpl", alpha): ends[i] for i, alpha in enumerate((1.0, 10.0, 100.0, 1000.0))}
    scores |= {("l2", alpha): ends[i] for i, alpha in enumerate((10.0, 100.0, 1000.0))}
    table = judged(scores)
    row = table.loc["second at equal retention", "wpl", "l2"]
    assert row["value"] == pytest.approx(0)
    assert row["verdict"] == "no difference is shown"
    assert row["against_alpha"] == pytest.approx(10 * row["alpha"])


def test_only_strengths_at_which_both_were_run_are_used():
    more = {("wpl", 5.0): [(0.87, 0.899)] * SEEDS}
    rows = [
        judged(scores).loc["second at equal retention", "wpl", "l2"]
        for scores in (SCORES, SCORES | more)
    ]
    assert rows[0]["value"] == rows[1]["value"]


def test_primary_claims_are_adjusted_for_the_number_of_cases():
    history = pd.concat([history_of(SCORES, stop=stop) for stop in ("converged", "0.5", "0.4")])
    table = verdicts(comparison.final_scores(history))
    primary = table[table["primary"]]
    assert set(primary["arm"]) == {"wpl"}
    assert set(primary["quantity"]) == {"forgetting"}
    assert len(primary) == 3
    np.testing.assert_allclose(primary["p"], 2 / 2**SEEDS)
    np.testing.assert_allclose(primary["holm"], 3 * 2 / 2**SEEDS)
    assert (primary["verdict"] == "no difference is shown").all(), "six seeds cannot show three"
    assert table[~table["primary"]]["holm"].isna().all()
    assert judged(SCORES).loc["forgetting", "wpl", "none"]["verdict"] == "less forgetting"


def test_verdicts_of_costs_and_bounds():
    table = judged(SCORES)
    assert table.loc["second", "wpl", "none"]["value"] == pytest.approx(-0.05)
    assert table.loc["second", "wpl", "none"]["verdict"] == "B is worse"
    assert table.loc["forgetting", "frozen", "none"]["value"] == pytest.approx(0.375)
    assert table.loc["second", "wpl", "none"]["alpha"] == 10.0
    assert (table["n"].dropna() == SEEDS).all()


def test_without_forgetting_there_is_no_comparison():
    scores = SCORES | {("none", 0.0): [(0.95, 0.9)] * SEEDS}
    table = judged(scores)
    assert table.loc["second at equal retention", "wpl", "l2"]["verdict"] == "nothing is forgotten"
    assert table.loc["forgetting", "wpl", "none"]["verdict"] == "more forgetting"


def test_findings_contain_every_number_and_verdict():
    split = {("ewc" if arm == "wpl" else arm, alpha): s for (arm, alpha), s in SCORES.items()}
    history = pd.concat([history_of(SCORES), history_of(split, shared="split")])
    scores = comparison.final_scores(history)
    compared = comparison.compare(scores)
    table = verdicts(scores)
    text = findings(compared[compared["own"]], table, FISHER)
    for case in text.split("\n## ")[1:]:
        reference = TITLES["ewc" if "One network" in case else "wpl"]
        rows = [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in case.splitlines()
            if line.startswith("| ")
        ]
        by_name = {row[0]: row[1:] for row in rows[:6]}
        assert by_name[reference][:3] == ["10", "90.0%", "100.0 % [100.0, 100.0]"]
        assert by_name[reference][5] == "5.0 [5.0, 5.0]"
        assert by_name[TITLES["none"]][1] == "52.5%"
        assert f"**{reference}, primary outcome: no difference is shown**" in case
        assert "adjusted p = 0.062" in case, "2/64, times two cases"
    assert "mc, of 77 samples" in text
