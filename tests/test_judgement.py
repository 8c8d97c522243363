"""The evaluation of searches, on tables small enough to compute by hand."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
import simulated_searches as simulated

from wpl_lab.search.judging import errors, truth
from wpl_lab.search.judging.agreement import agreement, ranking
from wpl_lab.search.judging.found import against_truth, found, retrained
from wpl_lab.search.judging.keys import RUN as KEYS

RUN = {"space": "small", "method": "enas", "arm": "none", "seed": 0}


def children(err1, err2, *, epoch=3, **run):
    """Return children of one epoch; none is trained after the last one."""
    later = range(len(err1) - 1, -1, -1)
    return pd.DataFrame(
        {"epoch": epoch, "later": later, "err1": err1, "err2": err2, "diverged": False}
        | {"error1": np.exp(err1), "error2": np.exp(err2), **RUN, **run}
    )


def test_forgetting_is_the_change_due_to_later_children():
    err1 = [math.log(p) for p in (10, 20, 30, 40, 50, 60, 5)]
    err2 = [math.log(p) for p in (12, 20, 29, 44, 75, 90, 5)]
    row = errors.forgetting(children(err1, err2)).iloc[0]
    points = [2, 0, -1, 4, 25, 30]
    assert row["mean_points"] == pytest.approx(np.mean(points)), "without the last child"
    assert row["median_points"] == pytest.approx(3)
    assert row["best_points"] == pytest.approx(np.mean(points[:5]))
    assert row["max_points"] == pytest.approx(30)
    assert row["mean_nats"] == pytest.approx(np.mean(np.subtract(err2, err1)[:6]))
    assert row["err2"] - row["err1"] == pytest.approx(row["mean_nats"])
    assert row["retention"] == 1
    assert row["epoch"] == 3


def test_retention_is_the_share_of_the_best_that_remain_among_the_best():
    err1 = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 0.0]
    err2 = [9.0, 8.0, 3.0, 4.0, 5.0, 6.0, 7.0, 0.0]
    assert errors.forgetting(children(err1, err2)).iloc[0]["retention"] == 3 / 5


def test_forgetting_by_later_children_uses_the_second_half_of_the_epochs():
    epochs = [(0, [9.0, 9, 9]), (1, [9.0, 9, 9]), (2, [3.0, 2, 1]), (3, [5.0, 4, 1])]
    table = pd.concat([children([1.0] * 3, err2, epoch=epoch) for epoch, err2 in epochs])
    got = errors.by_later(table)
    assert dict(zip(got["later"], got["nats"], strict=True)) == {2: 3.0, 1: 2.0}


def test_a_search_that_diverged_is_named_and_left_out():
    table = simulated.children(simulated.runs(seeds=range(3)), diverged=[("wpl", 1)])
    finished, diverged = errors.split_diverged(table)
    assert len(diverged) == 1
    assert dict(diverged.iloc[0][["arm", "seed", "epoch"]]) == {"arm": "wpl", "seed": 1, "epoch": 3}
    runs = set(map(tuple, finished[["arm", "seed"]].to_numpy()))
    assert runs == {("none", 0), ("none", 1), ("none", 2), ("wpl", 0), ("wpl", 2)}
    assert finished["err2"].notna().all()
    scores = simulated.scores(simulated.runs(seeds=range(3)))
    kept = errors.without(scores, diverged.set_index(KEYS).index)
    assert len(kept) == len(scores) * 5 / 6


def standalone(tests, selects=None, seeds=(0, 1), work=100):
    """Return rows of cells trained alone: the truth of cell i is tests[i]."""
    rows = [
        {"genotype": f"cell{i}", "seed": seed, "test": test, "select": select, "work": work}
        for seed in seeds
        for i, (test, select) in enumerate(zip(tests, selects or tests, strict=True))
    ]
    return pd.DataFrame(rows)


def scores(of_epochs, candidates):
    rows = [
        {
            "genotype": f"cell{i}",
            "epoch": epoch,
            "cross_entropy": value,
            "candidates": candidates[i] if epoch == len(of_epochs) - 1 else 0,
            "work": 150 * (epoch + 1),
            **RUN,
        }
        for epoch, values in enumerate(of_epochs)
        for i, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


def test_ranking_agrees_with_the_order_of_the_truth():
    true = truth.truth_of(standalone([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
    same, reverse = [10, 20, 30, 40, 50, 60], [60, 50, 40, 30, 20, 10]
    half = [10, 20, 30, 60, 50, 40]
    ranked = ranking(scores([reverse, same, half], [1] * 6), true)
    assert list(ranked["tau"]) == pytest.approx([-1, 1, 1 - 2 * 3 / 15])
    assert list(ranked["tau_top"]) == pytest.approx([-1, 1, 1]), (
        "of the three best ones in the truth"
    )
    assert list(ranked["rho"][:2]) == pytest.approx([-1, 1])
    assert list(ranked["precision"]) == [4 / 5, 1, 4 / 5]
    assert list(ranked["mean"]) == [35, 35, 35]


def test_truth_is_the_mean_over_seeds_of_the_test_score():
    alone = standalone([1.0, 3.0], seeds=(0,))
    other = standalone([2.0, 5.0], selects=[9.0, 9.0], seeds=(1,))
    assert dict(truth.truth_of(pd.concat([alone, other]))) == {"cell0": 1.5, "cell1": 4.0}


@pytest.mark.parametrize("noise", [0.3, 0.9])
def test_the_ceiling_is_the_agreement_of_another_truth(noise):
    """The mean agreement of pairs of truths with three seeds each equals the ceiling of one."""
    many = [made(noise, seed) for seed in range(30)]
    agreed = [agreement(truth.truth_of(a), truth.truth_of(b)) for a, b in itertools.pairwise(many)]
    said = pd.DataFrame([truth.made_again(alone) for alone in many]).mean()
    for measure in ("tau", "rho"):
        assert said[measure] == pytest.approx(np.mean([one[measure] for one in agreed]), abs=0.03)
    single = pd.DataFrame([truth.between_seeds(alone) for alone in many]).mean()
    assert single["tau"] < said["tau"] - 0.05, "the mean of three seeds agrees better than one"


def made(noise, seed):
    """Simulate sixty architectures with normally distributed quality and three seeds."""
    quality = np.random.default_rng(0).normal(size=60)
    random = np.random.default_rng([1, seed])
    return pd.concat(
        [standalone(list(quality + noise * random.normal(size=60)), seeds=(s,)) for s in range(3)]
    )


def test_seeds_of_the_truth_are_compared_with_each_other():
    """Scores 1, 2, 3 and 4, and the same with the last two swapped: one pair of six differs."""
    alone = pd.concat(
        [standalone([1.0, 2.0, 3.0, 4.0], seeds=(0,)), standalone([1.0, 2.0, 4.0, 3.0], seeds=(1,))]
    )
    held = truth.between_seeds(alone)
    assert held["tau"] == pytest.approx(1 - 2 / 6)
    assert held["regret"] == 0


def test_a_single_seed_of_the_truth_gives_no_ceiling():
    one = simulated.alone(seeds=(0,))
    assert all(map(math.isnan, truth.made_again(one).values()))
    assert truth.PAIR not in set(truth.yardsticks(one, pd.DataFrame())["score"])


def test_trivial_scores_count_operations_and_weights():
    alone = simulated.alone(seeds=(0, 1))
    trivial = truth.trivial_scores(alone)
    counts = [name for name in trivial if name.startswith("most")]
    assert counts == ["most relu", "most sigmoid", "most tanh"], "all have equally many weights"
    assert trivial["most relu"]["0:relu 1:relu"] == -2
    assert trivial["fewest relu"]["0:tanh 0:relu"] == 1
    sizes = alone["genotype"].map({name: i for i, name in enumerate(simulated.GENOTYPES)})
    assert "fewest parameters" in truth.trivial_scores(alone.assign(parameters=sizes))


def test_every_measure_has_yardsticks():
    alone = simulated.alone(noise=0.1)
    table = truth.yardsticks(alone, simulated.alone(seeds=(0,), first=1)).set_index("score")
    counts = table.loc[[name for name in table.index if name.startswith(("most", "fewest"))]]
    assert len(counts) == 6
    best = table.loc[truth.BOUND]
    assert best["tau"] == counts["tau"].max() > 0.4, "quality depends on the first operation most"
    assert best["regret"] == counts["regret"].min()
    of_chance = table.loc[truth.CHANCE]
    true = truth.truth_of(alone)
    assert of_chance["precision"] == pytest.approx(5 / len(true))
    assert of_chance["regret"] == pytest.approx(true.mean() - true.min())
    assert of_chance["tau"] == of_chance["rho"] == 0
    assert table.loc[truth.CEILING, "tau"] > best["tau"] + 0.1
    assert table.loc[truth.LONGER, "tau"] > best["tau"] + 0.1
    assert truth.LONGER not in set(truth.yardsticks(alone, pd.DataFrame())["score"])


def test_a_count_does_not_distinguish_architectures_with_equal_counts():
    """Its regret is the mean over all architectures with the best count."""
    score = pd.Series({"a": 1.0, "b": 1.0, "c": 2.0})
    true = pd.Series({"a": 0.0, "b": 4.0, "c": 1.0})
    assert truth.regret(score, true) == 2.0


def test_found_is_the_best_candidate_of_the_last_epoch():
    table = scores([[0.0, 9, 9], [3.0, 1.0, 2.0]], [1, 0, 2])
    winner = found(table).iloc[0]
    assert winner["genotype"] == "cell2", "cell1 is better, but the search did not draw it"
    assert winner["cross_entropy"] == 2.0
    assert winner["work"] == 300


def test_random_search_has_the_budget_of_the_search():
    """The regret equals the mean over all draws of k = 3 cells, by enumeration."""
    tests, selects = [4.0, 1.0, 3.0, 2.0], [1.0, 2.0, 3.0, 4.0]
    short = standalone(tests, selects)
    winners = found(scores([[1.0, 2, 3, 4], [9, 9, 1, 9]], [1, 1, 1, 1]))
    judged = against_truth(winners, standalone(tests), short).iloc[0]
    assert (judged["rank"], judged["regret"], judged["random_k"]) == (3, 2.0, 3)
    draws = list(itertools.combinations(range(4), 3))
    regrets = [tests[min(draw, key=lambda i: selects[i])] - 1 for draw in draws]
    assert judged["random_regret"] == pytest.approx(np.mean(regrets))
    ranks = [sorted(tests).index(tests[min(d, key=lambda i: selects[i])]) + 1 for d in draws]
    assert judged["random_rank"] == pytest.approx(np.mean(ranks))


def test_the_budget_of_random_search_does_not_depend_on_the_length_of_the_truth():
    winners = found(simulated.scores(simulated.runs()))
    short = simulated.alone(batches=100)
    once = against_truth(winners, simulated.alone(batches=700), short)
    twice = against_truth(winners, simulated.alone(batches=1400), short)
    pd.testing.assert_frame_equal(once, twice)
    assert set(once["random_k"]) == {4}, "each training is as long as an epoch of the search"


def test_a_found_cell_is_paired_with_random_cells_of_the_same_seed():
    cells = pd.DataFrame(
        [{**RUN, "space": "full", "seed": s, "genotype": "x", "test_error": s} for s in (5.0, 6.0)]
    )
    random = pd.DataFrame({"seed": [5, 5, 6], "test_error": [1.0, 2.0, 3.0]})
    table = retrained(cells, random)
    assert list(table["test_error"]) == [5.0, 6.0]
    assert list(table["random_test_error"]) == [1.5, 3.0]


def test_a_full_space_that_was_not_searched_has_no_rows():
    table = retrained(pd.DataFrame(), pd.DataFrame())
    assert table.empty
    assert {*KEYS, "test_error", "random_test_error"} < set(table)
