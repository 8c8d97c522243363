"""What became of the searches, on tables small enough to judge by hand."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from wpl_lab.search.judging import judgement
from wpl_lab.search.judging import search_effects as comparison
from wpl_lab.search.judging.search_findings import findings

RUN = {"space": "small", "method": "enas", "arm": "none", "seed": 0}


def test_forgetting_is_the_difference_that_later_children_make():
    err1 = [math.log(p) for p in (10, 20, 30, 40, 50, 60)]
    err2 = [math.log(p) for p in (12, 20, 29, 44, 75, 90)]
    errors = {"error1": np.exp(err1), "error2": np.exp(err2)}
    children = pd.DataFrame({"epoch": 3, "err1": err1, "err2": err2, **errors, **RUN})
    row = judgement.forgetting(children).iloc[0]
    points = [2, 0, -1, 4, 25, 30]
    assert row["mean_points"] == pytest.approx(np.mean(points))
    assert row["median_points"] == pytest.approx(3)
    assert row["best_points"] == pytest.approx(np.mean(points[:5]))
    assert row["max_points"] == pytest.approx(30)
    assert row["mean_nats"] == pytest.approx(np.mean(np.subtract(err2, err1)))
    assert row["retention"] == 1
    assert row["epoch"] == 3


def test_retention_counts_the_best_that_stay_among_the_best():
    err1 = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    err2 = [9.0, 8.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    errors = {"error1": err1, "error2": err2}
    children = pd.DataFrame({"epoch": 0, "err1": err1, "err2": err2, **errors, **RUN})
    assert judgement.forgetting(children).iloc[0]["retention"] == 3 / 5


def standalone(tests, selects=None, seeds=(0, 1), work=100):
    """Rows of cells trained alone: the truth of cell i is tests[i]."""
    rows = [
        {"genotype": f"cell{i}", "seed": seed, "test": test, "select": select, "work": work}
        for seed in seeds
        for i, (test, select) in enumerate(zip(tests, selects or tests, strict=True))
    ]
    return pd.DataFrame(rows)


def scores(of_epochs, candidates, **run):
    rows = [
        {
            "genotype": f"cell{i}",
            "epoch": epoch,
            "cross_entropy": value,
            "candidates": candidates[i] if epoch == len(of_epochs) - 1 else 0,
            "work": 150 * (epoch + 1),
            **(RUN | run),
        }
        for epoch, values in enumerate(of_epochs)
        for i, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


def test_ranking_follows_the_order_of_the_truth():
    truth = judgement.truth_of(standalone([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
    same, reverse = [10, 20, 30, 40, 50, 60], [60, 50, 40, 30, 20, 10]
    ranked = judgement.ranking(scores([reverse, same], [1] * 6), truth)
    assert list(ranked["tau"]) == pytest.approx([-1, 1])
    assert list(ranked["rho"]) == pytest.approx([-1, 1])
    assert list(ranked["precision"]) == [4 / 5, 1]


def test_truth_is_the_mean_over_seeds_of_the_test_score():
    alone = standalone([1.0, 3.0], seeds=(0,))
    other = standalone([2.0, 5.0], selects=[9.0, 9.0], seeds=(1,))
    assert dict(judgement.truth_of(pd.concat([alone, other]))) == {"cell0": 1.5, "cell1": 4.0}


def test_found_is_the_best_candidate_of_the_last_epoch():
    table = scores([[0.0, 9, 9], [3.0, 1.0, 2.0]], [1, 0, 2])
    found = judgement.found(table).iloc[0]
    assert found["genotype"] == "cell2", "cell1 is better, but the search did not draw it"
    assert found["cross_entropy"] == 2.0
    assert found["work"] == 300


def test_random_search_has_the_budget_of_the_search():
    """Against the mean over all draws of k = 3 cells, one by one."""
    tests, selects = [4.0, 1.0, 3.0, 2.0], [1.0, 2.0, 3.0, 4.0]
    alone = standalone(tests, selects)
    winners = judgement.found(scores([[1.0, 2, 3, 4], [9, 9, 1, 9]], [1, 1, 1, 1]))
    judged = judgement.against_truth(winners, alone).iloc[0]
    assert (judged["rank"], judged["regret"], judged["random_k"]) == (3, 2.0, 3)
    draws = list(itertools.combinations(range(4), 3))
    regrets = [tests[min(draw, key=lambda i: selects[i])] - 1 for draw in draws]
    assert judged["random_regret"] == pytest.approx(np.mean(regrets))
    ranks = [sorted(tests).index(tests[min(d, key=lambda i: selects[i])]) + 1 for d in draws]
    assert judged["random_rank"] == pytest.approx(np.mean(ranks))


def test_random_cells_of_the_same_seed_are_the_match_of_a_found_one():
    found = pd.DataFrame(
        [{**RUN, "space": "full", "seed": s, "genotype": "x", "test_error": s} for s in (5.0, 6.0)]
    )
    random = pd.DataFrame({"seed": [5, 5, 6], "test_error": [1.0, 2.0, 3.0]})
    table = judgement.retrained(found, random)
    assert list(table["test_error"]) == [5.0, 6.0]
    assert list(table["random_test_error"]) == [1.5, 3.0]


def test_a_full_space_that_was_not_searched_has_no_rows():
    table = judgement.retrained(pd.DataFrame(), pd.DataFrame())
    assert table.empty
    assert {*judgement.RUN, "test_error", "random_test_error"} < set(table)


def runs(**quantities):
    """One row per run: quantity = {arm: [a value per seed]}; random where the arm is 'random'."""
    rows = []
    for quantity, arms in quantities.items():
        chance = arms.pop("random", None)
        for arm, values in arms.items():
            for seed, value in enumerate(values):
                row = {**RUN, "arm": arm, "seed": seed, "quantity": quantity, "value": value}
                rows.append(row | {"random": chance[seed] if chance else math.nan})
    return pd.DataFrame(rows)


SEEDS = 7
BASE = [0.1, 0.3, 0.2, 0.15, 0.25, 0.05, 0.35]


def judged(wpl_nats, wpl_regret):
    """Seven seeds in which WPL changes forgetting and regret by fixed amounts."""

    def moved(by):
        return [b + by for b in BASE]

    constant = {"none": [5.0] * SEEDS, "wpl": [5.0] * SEEDS}
    return comparison.compare(
        runs(
            mean_nats={"none": moved(0), "wpl": moved(wpl_nats)},
            mean_points={k: list(v) for k, v in constant.items()},
            peak_points={k: list(v) for k, v in constant.items()},
            tau={"none": moved(0), "wpl": moved(0.1)},
            regret={"none": moved(0), "wpl": moved(wpl_regret), "random": moved(0)},
        )
    )


def test_arms_are_compared_seed_by_seed():
    table = judged(-0.05, -0.02).set_index(["arm", "quantity"])
    row = table.loc["wpl", "mean_nats"]
    assert row["value"] == pytest.approx(np.mean(BASE) - 0.05)
    assert row["to_none"] == pytest.approx(-0.05)
    assert row["to_none_low"] == pytest.approx(-0.05), "the seeds' own spread cancels"
    assert row["to_none_p"] == pytest.approx(2 / 2**SEEDS)
    assert math.isnan(row["to_random"]), "chance is no match for forgetting"
    assert table.loc["wpl", "regret"]["to_random"] == pytest.approx(-0.02)
    assert table.loc["none", "mean_nats"]["to_none_p"] == 1


@pytest.mark.parametrize(
    ("nats", "regret", "expected"),
    [
        (-0.05, -0.02, ["**Less forgetting.**", "**Better than chance.**"]),
        (0.05, 0.02, ["**More forgetting.**", "**Worse than chance.**"]),
        (0.0, 0.0, ["**No difference is shown.**"]),
    ],
)
def test_findings_say_what_the_numbers_say(nats, regret, expected):
    text = findings(judged(nats, regret), "text")
    wpl = [line for line in text.splitlines() if line.startswith("- WPL")]
    for sentence in expected:
        assert any(sentence in line for line in wpl)
    assert ("**Less" in text) == (nats < 0)


def test_quantities_take_the_second_half_and_the_last_epoch():
    err = [(0, 1.0, 9.0), (1, 1.0, 9.5), (2, 1.0, 1.5), (3, 1.0, 2.5)]
    children = pd.DataFrame(
        [{"epoch": e, "err1": a, "err2": b, "error1": a, "error2": b, **RUN} for e, a, b in err]
    )
    truth = standalone([1.0, 2.0], seeds=(0,))
    table = scores([[2.0, 1.0], [1.0, 2.0]], [1, 1])
    policy = pd.DataFrame(
        [
            {"epoch": e, "step": e, "reward": r, "entropy": 1.0, **RUN}
            for e, r in ((0, 5.0), (1, 7.0))
        ]
    )
    found = judgement.against_truth(judgement.found(table), truth)
    full = pd.DataFrame([{**RUN, "space": "full", "genotype": "x", "test_error": 1.0}])
    retrained = judgement.retrained(full, pd.DataFrame({"seed": [0], "test_error": [2.0]}))
    got = comparison.quantities(
        judgement.forgetting(children),
        policy,
        judgement.ranking(table, judgement.truth_of(truth)),
        found,
        retrained,
    ).set_index(["space", "quantity"])
    assert got.loc[("small", "mean_nats"), "value"] == pytest.approx(1.0)
    assert got.loc[("small", "reward"), "value"] == 7.0
    assert got.loc[("small", "tau"), "value"] == 1
    assert got.loc[("small", "regret"), "random"] == pytest.approx(0.0)
    assert got.loc[("full", "test_error"), "random"] == 2.0
