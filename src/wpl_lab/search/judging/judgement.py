"""What became of the searches: forgetting, ranking against the truth, and what was found."""

import numpy as np
import pandas as pd

from wpl.ranking import expected_best_of, kendall, precision_at, spearman
from wpl_lab.search.judging.winner import best_candidate

RUN = ["space", "method", "arm", "seed"]
BEST = 5
"""Number of best children, and of best architectures, that are looked at on their own (paper)."""


def forgetting(children: pd.DataFrame) -> pd.DataFrame:
    """Measure how much worse children got while later ones were trained, epoch by epoch.

    Args:
        children: Rows of ``train_children``, with the columns of a run.

    Returns:
        One row per run and epoch: of the differences err2 − err1 in nats and error2 − error1 in
        points of perplexity or of percent, the mean, the median, the mean over the children with
        the lowest err1 and the maximum; and the retention, the share of these best ones that are
        still among the best.
    """
    table = children.assign(
        nats=children["err2"] - children["err1"],
        points=children["error2"] - children["error1"],
    )
    rows = []
    for key, epoch in table.groupby([*RUN, "epoch"], sort=False):
        best = epoch.nsmallest(BEST, "err1")
        row = dict(zip([*RUN, "epoch"], key, strict=True))
        for unit in ("nats", "points"):
            row[f"mean_{unit}"] = epoch[unit].mean()
            row[f"median_{unit}"] = epoch[unit].median()
            row[f"best_{unit}"] = best[unit].mean()
            row[f"max_{unit}"] = epoch[unit].max()
        still = best.index.intersection(epoch.nsmallest(BEST, "err2").index)
        rows.append(row | {"retention": len(still) / len(best)})
    return pd.DataFrame(rows)


def truth_of(standalone: pd.DataFrame) -> pd.Series:
    """Average the test cross-entropy of architectures trained alone over seeds, by genotype."""
    return standalone.groupby("genotype", sort=False)["test"].mean()


def ranking(scores: pd.DataFrame, truth: pd.Series) -> pd.DataFrame:
    """Hold shared-weight scores against the truth, epoch by epoch.

    Args:
        scores: Rows of ``score`` of a space whose truth is known, with the columns of a run.
        truth: As from ``truth_of``.

    Returns:
        One row per run and epoch: Kendall's τ, Spearman's ρ, precision among the best.
    """
    rows = []
    for key, epoch in scores.groupby([*RUN, "epoch"], sort=False):
        score = epoch["cross_entropy"].to_numpy()
        true = truth[epoch["genotype"]].to_numpy()
        row = dict(zip([*RUN, "epoch"], key, strict=True))
        row |= {"tau": kendall(score, true), "rho": spearman(score, true)}
        rows.append(row | {"precision": precision_at(min(BEST, len(true)), score, true)})
    return pd.DataFrame(rows)


def found(scores: pd.DataFrame) -> pd.DataFrame:
    """Pick the best candidate of each run.

    Args:
        scores: Rows of ``score``, with the columns of a run.

    Returns:
        One row per run: genotype, cross-entropy with shared weights, work of the search.
    """
    best = [best_candidate(of_run) for _, of_run in scores.groupby(RUN, sort=False)]
    return pd.DataFrame(best)[[*RUN, "genotype", "cross_entropy", "work"]].reset_index(drop=True)


def against_truth(winners: pd.DataFrame, standalone: pd.DataFrame) -> pd.DataFrame:
    """Say how good the found architectures are, and what random search finds for the same work.

    Random search trains k architectures alone, k so that the work is that of the search, and takes
    the one that validation data likes best; its truth is an expectation over all draws of k, and
    over the seeds of the training.

    Args:
        winners: As from ``found``, of a space whose truth is known.
        standalone: Rows of ``train_alone``, of every architecture of the space.

    Returns:
        ``winners`` with the rank in the truth (1 is best), the regret in nats, k, and the expected
        rank and regret of random search.
    """
    truth = truth_of(standalone)
    regret, rank = truth - truth.min(), truth.rank(method="min")
    selects = standalone.pivot_table(index="seed", columns="genotype", values="select")[truth.index]

    def chance(k: int, of: pd.Series) -> float:
        return float(np.mean([expected_best_of(k, of, select) for select in selects.to_numpy()]))

    rows = []
    for run in winners.to_dict("records"):
        k = min(len(truth), max(1, round(run["work"] / standalone["work"].mean())))
        row = run | {"rank": rank[run["genotype"]], "regret": regret[run["genotype"]]}
        row |= {"random_k": k, "random_rank": chance(k, rank), "random_regret": chance(k, regret)}
        rows.append(row)
    return pd.DataFrame(rows)


def retrained(found: pd.DataFrame, random: pd.DataFrame) -> pd.DataFrame:
    """Set what was found in the full space beside random cells, all trained alone alike.

    Args:
        found: Rows of ``train_alone`` of what each run found, with the columns of a run.
        random: Rows of ``train_alone`` of random cells.

    Returns:
        One row per run: genotype, test error, and the mean test error of the random cells of the
        same seed; no row if the full space was not searched.
    """
    if found.empty:
        names = [*RUN, "genotype", "test_error", "random_test_error"]
        return pd.DataFrame({name: pd.Series(dtype=float) for name in names})
    chance = random.groupby("seed")["test_error"].mean()
    return pd.DataFrame(
        {
            **{column: found[column] for column in [*RUN, "genotype"]},
            "test_error": found["test_error"],
            "random_test_error": found["seed"].map(chance),
        }
    )
