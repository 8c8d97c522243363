"""Measures of ranking, compared with enumeration."""

import itertools
import math

import numpy as np
import pytest

from wpl import ranking


def scores(count, *, ties=False, seed=0):
    """Return a score and a truth with some agreement."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=count)
    score = truth + rng.normal(size=count)
    return (score.round(), truth.round()) if ties else (score, truth)


@pytest.mark.parametrize("ties", [False, True])
def test_kendall_counts_pairs(ties):
    score, truth = scores(12, ties=ties)
    pairs = list(itertools.combinations(range(12), 2))
    a, b = (np.array([np.sign(x[i] - x[j]) for i, j in pairs]) for x in (score, truth))
    expected = (a * b).sum() / math.sqrt((a != 0).sum() * (b != 0).sum())
    assert ranking.kendall(score, truth) == pytest.approx(expected)


@pytest.mark.parametrize("ties", [False, True])
def test_spearman_is_the_correlation_of_ranks(ties):
    score, truth = scores(12, ties=ties)

    def ranks(x):
        return [np.mean([(x < v).sum() + 1, (x <= v).sum()]) for v in x]

    expected = np.corrcoef(ranks(score), ranks(truth))[0, 1]
    assert ranking.spearman(score, truth) == pytest.approx(expected)


@pytest.mark.parametrize("correlation", [ranking.kendall, ranking.spearman])
def test_a_rank_correlation_depends_only_on_the_order(correlation):
    score, truth = scores(12)
    assert correlation(truth, np.exp(truth)) == pytest.approx(1)
    assert correlation(-truth, truth) == pytest.approx(-1)
    assert correlation(np.exp(score), truth) == correlation(score, truth)
    for constant in ((np.ones(12), truth), (score, np.ones(12)), ([1.0], [2.0])):
        assert math.isnan(correlation(*constant))


def test_precision_is_the_share_of_the_best_by_both():
    score, truth = [1.0, 2.0, 3.0, 4.0], [1.0, 4.0, 2.0, 3.0]
    assert [ranking.precision_at(k, score, truth) for k in (1, 2, 3, 4)] == [1, 1 / 2, 2 / 3, 1]
    assert ranking.precision_at(1, [3.0, 1.0, 1.0], [3.0, 1.0, 2.0]) == 1 / 2, "one of two ties"


def orders(values):
    """Yield every ranking of the values, with equal ones in all orders."""
    for shuffled in itertools.permutations(range(len(values))):
        if all(values[i] <= values[j] for i, j in itertools.pairwise(shuffled)):
            yield list(shuffled)


@pytest.mark.parametrize("k", range(1, 6))
def test_precision_with_ties_is_the_mean_over_their_orders(k):
    score, truth = [1.0, 0.0, 1.0, 1.0, 2.0], [0.0, 0.0, 3.0, 3.0, 1.0]
    hits = [len({*a[:k]} & {*b[:k]}) / k for a in orders(score) for b in orders(truth)]
    assert ranking.precision_at(k, score, truth) == pytest.approx(np.mean(hits))


def test_precision_of_a_random_score_is_k_over_n_in_expectation():
    _, truth = scores(5)
    orders = list(itertools.permutations(range(5)))
    for k in range(1, 6):
        mean = np.mean([ranking.precision_at(k, order, truth) for order in orders])
        assert mean == pytest.approx(k / 5)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("k", range(1, 8))
def test_expected_best_of_is_the_mean_over_all_draws(k, ties):
    score, truth = scores(7, ties=ties)
    draws = [list(draw) for draw in itertools.combinations(range(7), k)]
    # Any of equal scores may be selected.
    by_score = np.mean([truth[draw][score[draw] == score[draw].min()].mean() for draw in draws])
    assert ranking.expected_best_of(k, truth, score) == pytest.approx(by_score)
    by_truth = np.mean([truth[draw].min() for draw in draws])
    assert ranking.expected_best_of(k, truth) == pytest.approx(by_truth)


def test_random_search_over_all_models_finds_the_best_by_score():
    score, truth = scores(1000)
    best = ranking.expected_best_of(1000, truth, score)
    assert best == pytest.approx(truth[np.argmin(score)])
    assert ranking.expected_best_of(1, truth, score) == pytest.approx(truth.mean())


@pytest.mark.parametrize("k", [0, 4])
def test_a_budget_out_of_range_is_refused(k):
    values = [1.0, 2.0, 3.0]
    for measure in (ranking.precision_at, ranking.expected_best_of):
        with pytest.raises(ValueError, match=f"from 1 to the number of models, 3; got {k}"):
            measure(k, values, values)


@pytest.mark.parametrize(
    "measure",
    [
        ranking.kendall,
        ranking.spearman,
        lambda score, truth: ranking.precision_at(1, score, truth),
        lambda score, truth: ranking.expected_best_of(1, truth, score),
    ],
)
def test_rankings_that_cannot_be_compared_are_refused(measure):
    with pytest.raises(ValueError, match="finite"):
        measure([1.0, math.nan], [1.0, 2.0])
    with pytest.raises(ValueError, match="paired"):
        measure([1.0], [1.0, 2.0])
