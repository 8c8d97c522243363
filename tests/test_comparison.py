"""Comparisons of arms: outcomes, primary comparisons, and the certainty of each verdict."""

import math

import numpy as np
import pandas as pd
import pytest
import simulated_searches as simulated

from wpl.evaluation import detectable_difference, paired_test
from wpl_lab.search.judging import errors
from wpl_lab.search.judging.agreement import ranking
from wpl_lab.search.judging.comparison import comparisons, headline, mean_curve, summaries
from wpl_lab.search.judging.found import against_truth, found, retrained
from wpl_lab.search.judging.judge import Lengths
from wpl_lab.search.judging.judge import judge as judge_searches
from wpl_lab.search.judging.keys import RUN
from wpl_lab.search.judging.outcomes import OUTCOMES, outcomes
from wpl_lab.search.judging.search_findings import findings
from wpl_lab.search.judging.sweep import points
from wpl_lab.search.judging.truth import truth_of, yardsticks

NOBODY = pd.DataFrame(columns=[*RUN, "epoch", "genotype"])


def judge(of_runs, full=(), *, noise=1.0):
    """Reduce simulated searches to outcomes, like the script."""
    alone, short = simulated.alone(), simulated.alone(batches=100)
    scored = simulated.scores(of_runs, noise=noise)
    return outcomes(
        errors.forgetting(simulated.children([*of_runs, *full])),
        simulated.policy([*of_runs, *full]),
        ranking(scored, truth_of(alone)),
        against_truth(found(scored), alone, short),
        retrained(*simulated.retrained(list(full))) if full else retrained(*[pd.DataFrame()] * 2),
    )


ARMS = ("none", "wpl", "slow")


def test_outcomes_are_of_the_second_half_and_of_the_last_epoch():
    of_runs = simulated.runs(seeds=(0, 1))
    full = simulated.runs(seeds=(0,), spaces=("full",))
    table = judge(of_runs, full).set_index(["space", "arm", "seed"])
    assert list(table.columns)[-3:] == ["random_regret", "random_rank", "random_test_error"]
    children = simulated.children(of_runs)
    late = children[(children["epoch"] >= 2) & (children["later"] > 0)]
    one = late[(late["arm"] == "wpl") & (late["seed"] == 1)]
    got = table.loc["small", "wpl", 1]
    assert got["err2"] == pytest.approx(one["err2"].mean())
    assert got["err2"] - got["err1"] == pytest.approx(got["forgetting"])
    assert got["reward"] == pytest.approx(3.1), "of the last epoch"
    scored = simulated.scores(of_runs)
    last = scored[(scored["epoch"] == 3) & (scored["arm"] == "wpl") & (scored["seed"] == 1)]
    assert got["space_mean"] == pytest.approx(last["cross_entropy"].mean())
    assert math.isnan(table.loc["full", "none", 0]["tau"]), "the full space has no ground truth"
    assert table.loc["full", "none", 0]["random_test_error"] == 70


def test_primary_comparisons_of_all_methods_are_one_family():
    """Every arm against none, and WPL against slow, are adjusted together; nothing else is."""
    of_runs = simulated.runs(ARMS, seeds=range(10), methods=("uniform",))
    of_runs += simulated.runs(seeds=range(10))
    table = comparisons(judge(of_runs), "err2")
    decide = table[table["primary"]]
    pairs = set(decide[["method", "arm", "against"]].itertuples(index=False, name=None))
    of_uniform = {("wpl", "none"), ("slow", "none"), ("wpl", "slow")}
    assert pairs == {("uniform", *pair) for pair in of_uniform} | {("enas", "wpl", "none")}
    assert set(decide["outcome"]) == {"err2"}
    assert decide["p"].tolist() == [2 / 2**10] * 4
    assert decide["holm"].tolist() == pytest.approx([4 * 2 / 2**10] * 4)
    assert set(decide["verdict"]) == {"lower"}
    assert table[~table["primary"]]["holm"].isna().all()


def test_arms_are_paired_by_seed():
    runs = judge(simulated.runs(ARMS, seeds=range(7)))
    row = comparisons(runs, "err2").set_index(["outcome", "arm", "against"]).loc["regret"]
    by_seed = {arm: of_arm.set_index("seed")["regret"] for arm, of_arm in runs.groupby("arm")}
    difference = by_seed["wpl"] - by_seed["slow"]
    got = row.loc["wpl", "slow"]
    assert got["value"] == pytest.approx(difference.mean())
    assert got["p"] == paired_test(by_seed["wpl"], by_seed["slow"])
    assert got["detectable"] == detectable_difference(by_seed["wpl"], by_seed["slow"])
    assert ("slow", "random search") in row.index


def test_seeds_missing_in_one_arm_are_not_compared():
    runs = judge(simulated.runs(("none",), seeds=range(8)) + simulated.runs(("wpl",), range(6)))
    row = comparisons(runs, "err2").set_index(["outcome", "arm", "against"])
    assert row.loc[("err2", "wpl", "none"), "n"] == 6
    assert row.loc[("regret", "none", "random search"), "n"] == 8


def test_another_arm_does_not_change_a_comparison():
    few = comparisons(judge(simulated.runs(seeds=range(6))), "tau")
    many = comparisons(judge(simulated.runs(("none", "wpl", "l2"), seeds=range(6))), "tau")
    keys = ["outcome", "arm", "against"]
    joined = few.merge(many, on=keys, suffixes=("", "_many"))
    assert len(joined) == len(few)
    assert joined["p"].equals(joined["p_many"])
    assert joined["value"].equals(joined["value_many"])


def test_few_seeds_have_no_interval_and_show_nothing():
    runs = judge(simulated.runs(seeds=range(3)))
    table = comparisons(runs, "err2")
    assert table["low"].isna().all()
    assert np.isinf(table["detectable"]).all()
    assert set(table["verdict"]) == {"not shown"}
    assert all(len(each.split()) == 3 for each in table["each"])
    means = summaries(runs, NOBODY, "err2")
    assert means["low"].isna().all()
    text = written(runs)
    assert "(seeds: " in text
    assert "n = 3 is too few to show any" in text
    assert "[" not in text, "an interval"


def written(runs, diverged=NOBODY):
    return findings(
        task="text",
        primary="err2",
        summaries=summaries(runs, diverged, "err2"),
        verdicts=comparisons(runs, "err2"),
        yardsticks=yardsticks(simulated.alone(), pd.DataFrame()),
        diverged=diverged,
    )


def test_findings_contain_every_arm_outcome_and_yardstick():
    runs = judge(simulated.runs(ARMS, seeds=range(6)), simulated.runs(seeds=(0,), spaces=("full",)))
    text = written(runs)
    for title in ("no remedy", "WPL", "repeated truth", "best count", "chance", "random search"):
        assert f"| {title} |" in text or f"| *{title}* |" in text
    for outcome in OUTCOMES.values():
        assert f" {outcome.title} |" in text
    decided = comparisons(runs, "err2")
    row = decided[decided["primary"]].set_index(["arm", "against"])
    shown = row.loc["wpl", "none"]
    assert f"{shown['value']:+.3f}".replace("-", "−") in text
    assert "**better**" in text
    explored = decided.set_index(["space", "outcome", "arm", "against"]).loc["small"]
    undecided = explored.loc["regret", "wpl", "none"]
    assert undecided["verdict"] == "not shown"
    assert f"not shown (n = 6 would show {undecided['detectable']:.3f})" in text


def test_searches_that_diverged_are_counted_and_named():
    of_runs = simulated.runs(seeds=range(6))
    table = simulated.children(of_runs, diverged=[("none", 4)])
    _, diverged = errors.split_diverged(table)
    runs = judge([run for run in of_runs if (run["arm"], run["seed"]) != ("none", 4)])
    means = summaries(runs, diverged, "err2").set_index(["arm", "outcome"])
    assert (means.loc[("none", "err2"), ["n", "diverged"]] == [5, 1]).all()
    assert (means.loc[("wpl", "err2"), ["n", "diverged"]] == [6, 0]).all()
    text = written(runs, diverged)
    assert "5 and 1 diverged" in text
    assert "seed 4: epoch 3" in text


def test_a_sweep_is_plotted_but_not_tested():
    arms = ("none", "wpl", "wpl@0.1", "wpl@10.0")
    runs = judge(simulated.runs(arms, seeds=range(6)))
    assert set(comparisons(runs, "err2")["arm"]) == {"none", "wpl"}
    curve = points(runs, "wpl", 1.0)
    assert list(curve["strength"].unique()) == [0.1, 1.0, 10.0]
    assert len(curve) == 18
    assert points(runs, "none", 0.0).empty
    assert set(headline(runs, "err2")["enas"]["err2"]) == {"none", "wpl"}
    table = errors.forgetting(simulated.children(simulated.runs(arms)))
    curves = mean_curve(table, "mean_nats")
    assert list(curves) == ["arm", "epoch", "mean_nats"]
    assert set(curves["arm"]) == {"none", "wpl"}


def test_headline_is_the_mean_of_every_arm():
    runs = judge(simulated.runs(seeds=range(2)), simulated.runs(seeds=(0,), spaces=("full",)))
    got = headline(runs, "err2")["enas"]
    none = runs[(runs["space"] == "small") & (runs["arm"] == "none")]
    assert got["err2"]["none"] == pytest.approx(none["err2"].mean())
    assert got["test_error"] == {"none": 60.0, "wpl": 60.0}
    assert list(got) == ["err2", "forgetting", "tau", "regret", "test_error"]


LENGTHS = Lengths(truth=700, longer=1400, short=100)


def test_the_evaluation_leaves_out_searches_that_diverged():
    of_runs = simulated.runs(seeds=range(6))
    judged = judge_task(simulated.given(of_runs, diverged=[("none", 4)]), lengths=LENGTHS)
    runs = judged.tables["runs"]
    assert ("none", 4) not in set(zip(runs["arm"], runs["seed"], strict=True))
    assert len(judged.tables["found"]) == 11
    assert len(judged.tables["diverged"]) == 1
    assert judged.headline["enas"]["tau"].keys() == {"none", "wpl"}
    assert set(judged.tables["yardsticks"]["score"]) > {"truth trained twice as long"}


def test_an_arm_whose_searches_all_diverged_is_named():
    lost = [("wpl", seed) for seed in range(3)]
    given = simulated.given(simulated.runs(seeds=range(3)), diverged=lost)
    judged = judge_task(given, lengths=LENGTHS)
    assert set(judged.tables["arms"].query("space == 'small'")["arm"]) == {"none"}
    assert judged.findings.count("WPL, seed") == 0
    assert judged.findings.count(", wpl, seed") == 4, "in the full space, too"


def test_searches_that_all_diverged_are_an_error_in_one_line():
    lost = [(arm, seed) for arm in ("none", "wpl") for seed in range(2)]
    given = simulated.given(simulated.runs(seeds=range(2)), diverged=lost)
    with pytest.raises(ValueError, match=r"all 6 searches diverged, .* epoch 3 .* lower"):
        judge_task(given, lengths=LENGTHS)


def judge_task(tables, lengths):
    return judge_searches(tables, task="text", primary="err2", lengths=lengths)


def test_a_ground_truth_of_one_length_is_sufficient():
    judged = judge_task(
        simulated.given(simulated.runs(methods=("uniform",)), longer=False), lengths=LENGTHS
    )
    assert "truth trained twice as long" not in judged.findings
    of_uniform = judged.tables["arms"].query("method == 'uniform'")
    assert set(of_uniform["outcome"]) >= {"err2", "tau"}
    assert "reward" not in set(of_uniform["outcome"]), "uniform sampling has no controller"
