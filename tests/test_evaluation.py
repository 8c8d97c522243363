"""Scores and statistics, compared with slow, obvious versions."""

import itertools
import math

import numpy as np
import pytest
import torch

from wpl import evaluation


def test_accuracy_is_the_share_of_correct_predictions():
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


def test_paired_test_detects_a_constant_shift_but_not_a_permutation():
    scores = np.random.default_rng(0).normal(size=10)
    assert evaluation.paired_test(scores, scores + 0.1) == pytest.approx(2 / 2**10)
    assert evaluation.paired_test(scores, scores) == 1
    assert evaluation.paired_test([1.0], [2.0]) == 1


def test_bootstrap_interval_has_its_nominal_coverage():
    rng = np.random.default_rng(0)
    mean = lambda x: x.mean(-1)  # noqa: E731
    hits = 0
    for seed in range(1000):
        data = rng.normal(size=10)
        low, high = evaluation.bootstrap_interval(mean, data, resamples=1999, seed=seed)
        hits += low < 0 < high
    assert 0.925 < hits / 1000 < 0.97, "the plain percentile interval covers 91 %"


def test_bootstrap_interval_preserves_pairs():
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


def test_holm_is_the_step_down_procedure():
    """Reject from the smallest p-value on, until one is not below level / (number remaining)."""
    rng = np.random.default_rng(0)
    for level in (0.01, 0.05, 0.2):
        p = rng.uniform(size=6) ** 3
        rejected = set()
        for remaining, i in zip(range(6, 0, -1), np.argsort(p), strict=True):
            if p[i] >= level / remaining:
                break
            rejected.add(i)
        assert set(np.flatnonzero(evaluation.holm(p) < level)) == rejected
    assert evaluation.holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert evaluation.holm([0.9, 0.8]).tolist() == [1, 1]
    assert evaluation.holm([]).size == 0
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        evaluation.holm([0.5, math.nan])


@pytest.mark.parametrize(("pairs", "level"), [(8, 0.05), (10, 0.05 / 5)])
def test_a_detectable_difference_is_shown_with_the_given_power(pairs, level):
    rng = np.random.default_rng(0)
    zero = np.zeros(pairs)
    spread = np.sqrt(np.mean([detectable(rng, pairs, level) ** 2 for _ in range(300)]))
    shown = [
        evaluation.paired_test(rng.normal(loc=spread, size=pairs), zero) < level for _ in range(300)
    ]
    assert np.mean(shown) == pytest.approx(0.8, abs=0.08)


def detectable(rng, pairs, level):
    return evaluation.detectable_difference(rng.normal(size=pairs), np.zeros(pairs), level=level)


def test_detectable_differences_scale_and_need_enough_pairs():
    a = np.random.default_rng(0).normal(size=9)
    once = evaluation.detectable_difference(a, np.zeros(9))
    assert evaluation.detectable_difference(3 * a + 1, np.ones(9)) == pytest.approx(3 * once)
    assert evaluation.detectable_difference(a, a) == 0
    assert evaluation.detectable_difference(a, np.zeros(9), power=0.9) > once
    assert evaluation.detectable_difference(a[:5], np.zeros(5)) == math.inf, "2^-4 > .05"


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
