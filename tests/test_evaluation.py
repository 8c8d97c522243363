"""Scores and statistics against their slow, obvious versions."""

import itertools
import math

import numpy as np
import pytest
import torch

from wpl import evaluation


def test_accuracy_counts():
    logits = torch.tensor([[[2.0, 1.0], [0.0, 3.0], [5.0, 4.0]], [[0.0, 1.0]] * 3])
    targets = torch.tensor([0, 1, 1])
    assert evaluation.accuracy(logits, targets).tolist() == pytest.approx([2 / 3, 2 / 3])
    assert evaluation.accuracy(logits[0], targets).item() == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="empty"):
        evaluation.accuracy(torch.ones(0, 2), torch.ones(0))


def test_perplexity_of_a_uniform_guess_is_the_number_of_choices():
    assert evaluation.perplexity(math.log(50)) == pytest.approx(50)


def test_forgetting_and_reduction():
    before, plain, protected = [0.9, 0.8], [0.5, 0.6], [0.88, 0.82]
    lost = evaluation.forgetting(before, plain)
    assert lost.tolist() == pytest.approx([0.4, 0.2])
    kept = evaluation.forgetting(before, protected)
    assert evaluation.reduction(kept, lost) == pytest.approx(1 - 0.0 / 0.6)
    assert evaluation.reduction(lost, lost) == 0
    assert evaluation.reduction(2 * lost, lost) == pytest.approx(-1)
    assert math.isnan(evaluation.reduction(lost, np.zeros(2)))
    assert math.isnan(evaluation.reduction(lost, -lost)), "nothing was forgotten"


def test_paired_test_is_the_exact_sign_flip_test():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 7))
    difference = a - b
    flips = [np.dot(s, difference) for s in itertools.product((1, -1), repeat=7)]
    observed = abs(difference.sum())
    expected = np.mean([abs(f) >= observed - 1e-12 for f in flips])
    assert evaluation.paired_test(a, b) == pytest.approx(expected)


def test_paired_test_sees_a_constant_shift_and_not_a_permutation():
    scores = np.random.default_rng(0).normal(size=10)
    assert evaluation.paired_test(scores, scores + 0.1) == pytest.approx(2 / 2**10)
    assert evaluation.paired_test(scores, scores) == 1
    assert evaluation.paired_test([1.0], [2.0]) == 1


def test_bootstrap_interval_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    mean = lambda x: x.mean(-1)  # noqa: E731
    hits = 0
    for seed in range(1000):
        data = rng.normal(size=10)
        low, high = evaluation.bootstrap_interval(mean, data, resamples=1999, seed=seed)
        hits += low < 0 < high
    assert 0.925 < hits / 1000 < 0.97, "the plain percentile interval covers 91 %"


def test_bootstrap_interval_keeps_pairs():
    base = np.random.default_rng(0).normal(scale=100, size=20)
    gap = lambda x, y: (x - y).mean(-1)  # noqa: E731
    low, high = evaluation.bootstrap_interval(gap, base + 1, base)
    assert low == pytest.approx(1)
    assert high == pytest.approx(1)
    assert all(map(math.isnan, evaluation.bootstrap_interval(gap, [1.0], [2.0])))


def test_bootstrap_interval_is_reproducible():
    data = np.random.default_rng(0).normal(size=10)
    intervals = {evaluation.bootstrap_interval(lambda x: x.mean(-1), data, seed=3) for _ in "ab"}
    assert len(intervals) == 1


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (([1.0, 2.0], [1.0]), "paired"),
        (([], []), "non-empty"),
        (([1.0, math.nan], [1.0, 2.0]), "finite"),
    ],
)
def test_samples_that_cannot_be_compared_are_refused(samples, message):
    with pytest.raises(ValueError, match=message):
        evaluation.paired_test(*samples)


def scores(count, *, ties=False, seed=0):
    """A score and a truth that agree somewhat."""
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
    assert evaluation.kendall(score, truth) == pytest.approx(expected)


@pytest.mark.parametrize("ties", [False, True])
def test_spearman_is_the_correlation_of_ranks(ties):
    score, truth = scores(12, ties=ties)

    def ranks(x):
        return [np.mean([(x < v).sum() + 1, (x <= v).sum()]) for v in x]

    expected = np.corrcoef(ranks(score), ranks(truth))[0, 1]
    assert evaluation.spearman(score, truth) == pytest.approx(expected)


@pytest.mark.parametrize("correlation", [evaluation.kendall, evaluation.spearman])
def test_a_rank_correlation_sees_the_order_and_nothing_else(correlation):
    score, truth = scores(12)
    assert correlation(truth, np.exp(truth)) == pytest.approx(1)
    assert correlation(-truth, truth) == pytest.approx(-1)
    assert correlation(np.exp(score), truth) == correlation(score, truth)
    for constant in ((np.ones(12), truth), (score, np.ones(12)), ([1.0], [2.0])):
        assert math.isnan(correlation(*constant))


def test_precision_counts_the_best_by_both():
    score, truth = [1.0, 2.0, 3.0, 4.0], [1.0, 4.0, 2.0, 3.0]
    assert [evaluation.precision_at(k, score, truth) for k in (1, 2, 3, 4)] == [1, 1 / 2, 2 / 3, 1]
    assert evaluation.precision_at(2, [0.0, 0.0, 0.0], [1.0, 2.0, 0.0]) == 1 / 2, "the first two"
    assert evaluation.precision_at(1, [3.0, 1.0, 1.0], [2.0, 1.0, 1.0]) == 1


def test_precision_of_a_random_score_is_k_over_n_in_expectation():
    _, truth = scores(5)
    orders = list(itertools.permutations(range(5)))
    for k in range(1, 6):
        mean = np.mean([evaluation.precision_at(k, order, truth) for order in orders])
        assert mean == pytest.approx(k / 5)


def test_regret_and_rank_of_what_a_score_finds():
    truth = [3.0, 1.5, 1.0, 2.0]
    assert evaluation.regret([4, 3, 2, 1], truth) == 1.0
    assert evaluation.rank_of_best([4, 3, 2, 1], truth) == 3
    assert evaluation.regret(truth, truth) == 0
    assert evaluation.rank_of_best(truth, truth) == 1
    assert evaluation.regret([1, 2, 3, 4], truth) == 2.0
    assert evaluation.rank_of_best([1, 2, 3, 4], truth) == 4
    assert evaluation.rank_of_best([1, 1, 1], [2.0, 1.0, 2.0]) == 2, "of equals the first is taken"
    assert evaluation.rank_of_best([2, 1], [1.0, 1.0]) == 1, "equal truths share the better rank"


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("k", range(1, 8))
def test_expected_best_of_is_the_mean_over_all_draws(k, ties):
    score, truth = scores(7, ties=ties)
    draws = [list(draw) for draw in itertools.combinations(range(7), k)]
    by_score = np.mean([truth[min(draw, key=lambda i: (score[i], i))] for draw in draws])
    assert evaluation.expected_best_of(k, truth, score) == pytest.approx(by_score)
    by_truth = np.mean([truth[draw].min() for draw in draws])
    assert evaluation.expected_best_of(k, truth) == pytest.approx(by_truth)


def test_random_search_with_the_whole_budget_finds_what_the_score_finds():
    score, truth = scores(1000)
    best = evaluation.expected_best_of(1000, truth, score) - truth.min()
    assert best == pytest.approx(evaluation.regret(score, truth))
    assert evaluation.expected_best_of(1, truth, score) == pytest.approx(truth.mean())


@pytest.mark.parametrize("k", [0, 4])
def test_a_budget_out_of_range_is_refused(k):
    values = [1.0, 2.0, 3.0]
    for measure in (evaluation.precision_at, evaluation.expected_best_of):
        with pytest.raises(ValueError, match=f"from 1 to the number of models, 3; got {k}"):
            measure(k, values, values)


@pytest.mark.parametrize(
    "measure",
    [
        evaluation.kendall,
        evaluation.spearman,
        evaluation.regret,
        evaluation.rank_of_best,
        lambda score, truth: evaluation.precision_at(1, score, truth),
        lambda score, truth: evaluation.expected_best_of(1, truth, score),
    ],
)
def test_rankings_that_cannot_be_compared_are_refused(measure):
    with pytest.raises(ValueError, match="finite"):
        measure([1.0, math.nan], [1.0, 2.0])
    with pytest.raises(ValueError, match="paired"):
        measure([1.0], [1.0, 2.0])
