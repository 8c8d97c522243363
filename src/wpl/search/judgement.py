"""What became of the searches: forgetting, ranking against the truth, and what was found."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from wpl.evaluation import (
    bootstrap_interval,
    expected_best_of,
    kendall,
    paired_test,
    precision_at,
    spearman,
)

RUN = ["space", "method", "arm", "seed"]
BEST = 5
"""Number of best children, and of best architectures, that are looked at on their own (paper)."""


def forgetting(children: pd.DataFrame) -> pd.DataFrame:
    """Measure how much worse children got while later ones were trained, epoch by epoch.

    Args:
        children: Rows of ``train_children``, with the columns of a run.

    Returns:
        One row per run and epoch: of the differences err2 − err1 in nats and in points of
        perplexity, the mean, the median, the mean over the children with the lowest err1 and the
        maximum; and the retention, the share of these best ones that are still among the best.
    """
    table = children.assign(
        nats=children["err2"] - children["err1"],
        points=np.exp(children["err2"]) - np.exp(children["err1"]),
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
        rows.append(row | {"precision": precision_at(BEST, score, true)})
    return pd.DataFrame(rows)


def best_candidate(scores: pd.DataFrame) -> pd.Series:
    """Pick the row of the candidate that a search likes best, by its shared-weight score."""
    drawn = scores[scores["candidates"] > 0]
    return drawn.loc[drawn["cross_entropy"].idxmin()]


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
    the one that validation data likes best; its truth is an expectation over all draws of k.

    Args:
        winners: As from ``found``, of a space whose truth is known.
        standalone: Rows of ``train_alone``, of every architecture of the space.

    Returns:
        ``winners`` with the rank in the truth (1 is best), the regret in nats, k, and the expected
        rank and regret of random search.
    """
    truth = truth_of(standalone)
    alone = standalone.groupby("seed")
    rows = []
    for run in winners.to_dict("records"):
        of_seed = alone.get_group(run["seed"]).set_index("genotype").loc[truth.index]
        k = min(len(truth), max(1, round(run["work"] / of_seed["work"].mean())))
        select, true = of_seed["select"].to_numpy(), truth.to_numpy()
        chosen = truth[run["genotype"]]
        rows.append(
            run
            | {
                "rank": int((true < chosen).sum()) + 1,
                "regret": chosen - true.min(),
                "random_k": k,
                "random_rank": expected_best_of(k, truth.rank().to_numpy(), select),
                "random_regret": expected_best_of(k, true, select) - true.min(),
            }
        )
    return pd.DataFrame(rows)


def compare(runs: pd.DataFrame, quantities: Iterable[str], *, by: list[str]) -> pd.DataFrame:
    """Average quantities over seeds, and compare every arm with ``none``, paired by seed.

    Args:
        runs: One row per seed of each case and arm, a column per quantity.
        quantities: Which columns to compare.
        by: Columns that make a case; each case must hold the arm ``none``.

    Returns:
        One row per case, arm and quantity: the mean over seeds and its 95 % bootstrap interval,
        the difference to ``none`` with its interval, and the p-value of a paired test.
    """
    rows = []
    for case, of_case in runs.groupby(by, sort=False):
        arms = {arm: g.sort_values("seed") for arm, g in of_case.groupby("arm", sort=False)}
        for arm, own in arms.items():
            for quantity in quantities:
                value, none = own[quantity].to_numpy(), arms["none"][quantity].to_numpy()
                if not np.isfinite([value, none]).all():
                    continue  # rewards, where nothing was rewarded
                row: dict[str, Any] = dict(zip(by, case, strict=True))
                row |= {"arm": arm, "quantity": quantity, "seeds": len(own)}
                row |= _with_interval("value", value) | _with_interval("difference", value - none)
                rows.append(row | {"p": paired_test(value, none)})
    return pd.DataFrame(rows)


def _with_interval(name: str, values: Any) -> dict[str, float]:
    low, high = bootstrap_interval(lambda v: v.mean(axis=-1), values)
    return {name: float(values.mean()), f"{name}_low": low, f"{name}_high": high}
