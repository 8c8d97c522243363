"""How well a score ranks architectures, by the ground truth: their scores when trained alone."""

import numpy as np
import pandas as pd

from wpl.ranking import kendall, precision_at, spearman
from wpl_lab.search.judging.keys import BEST, RUN

MEASURES = ("tau", "tau_top", "rho", "precision")


def agreement(score: pd.Series, truth: pd.Series, *, best: int = BEST) -> dict[str, float]:
    """Measure how well a score agrees with the ground truth.

    Args:
        score: By genotype; lower is better.
        truth: By genotype; lower is better, for at least the architectures that have a score.
        best: The k of the precision.

    Returns:
        Kendall's τ over all architectures and over the better half by the truth, Spearman's ρ, and
        the precision at k.
    """
    of_score, of_truth = score.to_numpy(), truth[score.index].to_numpy()
    top = of_truth <= np.median(of_truth)
    return {
        "tau": kendall(of_score, of_truth),
        "tau_top": kendall(of_score[top], of_truth[top]),
        "rho": spearman(of_score, of_truth),
        "precision": precision_at(min(best, len(of_truth)), of_score, of_truth),
    }


def finite(nats: pd.Series) -> pd.Series:
    """Replace cross-entropies that are not finite by the worst of the finite ones."""
    known = nats[np.isfinite(nats)]
    return nats.where(np.isfinite(nats), known.max())


def ranking(scores: pd.DataFrame, truth: pd.Series) -> pd.DataFrame:
    """Measure how well shared-weight scores agree with the ground truth, epoch by epoch.

    Args:
        scores: Rows of ``score``, for a space whose truth is known, with the columns of a run.
        truth: As returned by ``truth.truth_of``.

    Returns:
        One row per run and epoch: the measures of ``agreement``, and the mean of the scores.
    """
    rows = []
    for key, epoch in scores.groupby([*RUN, "epoch"], sort=False):
        score = finite(epoch.set_index("genotype")["cross_entropy"])
        row = dict(zip([*RUN, "epoch"], key, strict=True)) | agreement(score, truth)
        rows.append(row | {"mean": score.mean()})
    return pd.DataFrame(rows)
