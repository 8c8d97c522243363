"""How well a score ranks architectures, by the truth: what each got when it was trained alone."""

import numpy as np
import pandas as pd

from wpl.ranking import kendall, precision_at, spearman
from wpl_lab.search.judging.keys import BEST, RUN

MEASURES = ("tau", "tau_top", "rho", "precision")


def agreement(score: pd.Series, truth: pd.Series) -> dict[str, float]:
    """Hold one score against the truth.

    Args:
        score: By genotype; lower is better.
        truth: By genotype, in nats: of at least those that have a score.

    Returns:
        Kendall's τ of all architectures and of the better half by the truth, Spearman's ρ and the
        precision among the best.
    """
    of_score, of_truth = score.to_numpy(), truth[score.index].to_numpy()
    top = of_truth <= np.median(of_truth)
    return {
        "tau": kendall(of_score, of_truth),
        "tau_top": kendall(of_score[top], of_truth[top]),
        "rho": spearman(of_score, of_truth),
        "precision": precision_at(min(BEST, len(of_truth)), of_score, of_truth),
    }


def finite(nats: pd.Series) -> pd.Series:
    """Let cross-entropies that are not finite count as the worst of the others."""
    known = nats[np.isfinite(nats)]
    return nats.where(np.isfinite(nats), known.max())


def ranking(scores: pd.DataFrame, truth: pd.Series) -> pd.DataFrame:
    """Hold the shared-weight scores of searches against the truth, epoch by epoch.

    Args:
        scores: Rows of ``score`` of a space whose truth is known, with the columns of a run.
        truth: As from ``truth.truth_of``.

    Returns:
        One row per run and epoch: the measures of ``agreement``, and the mean of the scores.
    """
    rows = []
    for key, epoch in scores.groupby([*RUN, "epoch"], sort=False):
        score = finite(epoch.set_index("genotype")["cross_entropy"])
        row = dict(zip([*RUN, "epoch"], key, strict=True)) | agreement(score, truth)
        rows.append(row | {"mean": score.mean()})
    return pd.DataFrame(rows)
