"""Measures of a score of architectures: how well it ranks them, and how good its best one is."""

import pandas as pd

from wpl_lab.search.judging.agreement import agreement

MEASURES = ("tau", "tau_top", "rho", "precision", "regret")
TOP_SHARE = 0.1
"""The precision is that of this share of the architectures, the best ones."""


def measures(score: pd.Series, errors: pd.Series, *, best: float) -> dict[str, float]:
    """Compare a score with the truth.

    Args:
        score: By genotype; lower is better.
        errors: The truth by genotype, in percent, of at least the architectures with a score.
        best: The lowest error of the whole space.

    Returns:
        Kendall's τ over all architectures and over the better half by the truth, Spearman's ρ,
        the precision in the top 10 %, and the regret in points: the error of the architecture with
        the best score, or the mean error of those that share it, minus ``best``.
    """
    top = max(1, round(TOP_SHARE * len(score)))
    taken = errors[score.index[score == score.min()]]
    return agreement(score, errors, best=top) | {"regret": float(taken.mean()) - best}


def errors_of(truth: pd.DataFrame, data: str) -> pd.Series:
    """Compute the error of each architecture on a data set: mean over seeds, in percent."""
    own = truth[truth["data"] == data]
    return 100 - own.groupby("genotype", sort=False)["accuracy"].mean()
