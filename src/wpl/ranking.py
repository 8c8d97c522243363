"""Measures of how well scores rank models, compared with the truth and with random search."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wpl.evaluation import paired

_Floats = NDArray[np.float64]


def kendall(score: ArrayLike, truth: ArrayLike) -> float:
    """Compute Kendall's rank correlation τ_b, which accounts for ties.

    Args:
        score: Numbers ``(model)`` by which models are ranked.
        truth: The true values of the same models, ``(model)``.

    Returns:
        A number in [−1, 1]; NaN if all scores or all true values are equal, as there is no ranking.
    """
    from scipy import stats  # noqa: PLC0415 - slow, and not needed by the measures below

    return _correlation(stats.kendalltau, score, truth)


def spearman(score: ArrayLike, truth: ArrayLike) -> float:
    """Compute Spearman's rank correlation ρ, equal values sharing their mean rank.

    Args:
        score: Numbers ``(model)`` by which models are ranked.
        truth: The true values of the same models, ``(model)``.

    Returns:
        A number in [−1, 1]; NaN if all scores or all true values are equal, as there is no ranking.
    """
    from scipy import stats  # noqa: PLC0415 - as above

    return _correlation(stats.spearmanr, score, truth)


def precision_at(k: int, score: ArrayLike, truth: ArrayLike) -> float:
    """Compute the share of the k best by score that are among the k best by truth.

    Here and below, lower is better, as for a cross-entropy. Ties are broken at random: the result
    is the expectation over all orders of equal values.

    Args:
        k: From 1 to the number of models. A random score has k / models in expectation.
        score: Numbers ``(model)``.
        truth: The true values of the same models, ``(model)``.

    Returns:
        A number in [0, 1].

    Raises:
        ValueError: If k is out of range; if the samples are not paired, or not finite.
    """
    a, b = paired(score, truth)
    _check_budget(k, len(a))
    return float(_chance_of_top(k, a) @ _chance_of_top(k, b)) / k


def expected_best_of(k: int, truth: ArrayLike, score: ArrayLike | None = None) -> float:
    """Compute what random search with a budget of k finds, in expectation over all its draws.

    Of n models, k are drawn without replacement, and the best of them by score is taken. It is the
    i-th best of all (i from 1) with probability C(n − i, k − 1) / C(n, k): that one is drawn, and
    the others are worse.

    Args:
        k: From 1 to n.
        truth: The true values ``(model)``.
        score: Numbers ``(model)`` by which the best is chosen; by default, the truth.

    Returns:
        The expected true value of the chosen model, computed exactly.

    Raises:
        ValueError: If k is out of range; if the samples are not paired, or not finite.
    """
    a, b = paired(truth if score is None else score, truth)
    n = len(a)
    _check_budget(k, n)
    weights = [math.comb(n - i, k - 1) / math.comb(n, k) for i in range(1, n + 1)]
    order = np.argsort(a, kind="stable")
    _, group = np.unique(a, return_inverse=True)
    expected = np.bincount(group, weights=b) / np.bincount(group)  # of the truth, by score
    return math.fsum(weights * expected[group][order])


def _correlation(measure: Callable[..., Any], score: ArrayLike, truth: ArrayLike) -> float:
    a, b = paired(score, truth)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return math.nan
    return float(measure(a, b).statistic)


def _chance_of_top(k: int, values: _Floats) -> _Floats:
    """Compute the probability that each value is among the k lowest, ties broken at random."""
    border = np.sort(values)[k - 1]
    below, equal = values < border, values == border
    chance: _Floats = np.where(equal, (k - below.sum()) / equal.sum(), below)
    return chance


def _check_budget(k: int, models: int) -> None:
    if not 1 <= k <= models:
        raise ValueError(f"k must be from 1 to the number of models, {models}; got {k}")
