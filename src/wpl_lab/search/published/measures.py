"""How well a score ranks architectures, and how good the one is that it takes for the best."""

import pandas as pd

from wpl_lab.search.judging.agreement import agreement

MEASURES = ("tau", "tau_top", "rho", "precision", "regret")
TOP_SHARE = 0.1
"""The share of the architectures whose precision is measured."""


def measures(score: pd.Series, errors: pd.Series, *, best: float) -> dict[str, float]:
    """Hold a score against a truth.

    Args:
        score: By genotype; lower is better.
        errors: By genotype, the truth, in percent: of at least those that have a score.
        best: The lowest error of the whole space.

    Returns:
        Kendall's τ of all architectures and of the better half by the truth, Spearman's ρ, the
        precision in the top 10 %, and the regret in points: how much worse than the best of the
        space the one is that the score takes for the best, in expectation where scores are equal.
    """
    top = max(1, round(TOP_SHARE * len(score)))
    taken = errors[score.index[score == score.min()]]
    return agreement(score, errors, best=top) | {"regret": float(taken.mean()) - best}


def errors_of(truth: pd.DataFrame, data: str) -> pd.Series:
    """Average the errors of the architectures on a data set over seeds, by genotype, in percent."""
    own = truth[truth["data"] == data]
    return 100 - own.groupby("genotype", sort=False)["accuracy"].mean()
