"""Evaluate searches with a published ground truth: from the tables of the jobs to findings."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from wpl_lab.data.data_files import DataError
from wpl_lab.search.judging.agreement import finite
from wpl_lab.search.judging.comparison import comparisons, summaries
from wpl_lab.search.judging.errors import by_later, forgetting, split_diverged, without
from wpl_lab.search.judging.found import found
from wpl_lab.search.judging.keys import RUN
from wpl_lab.search.published.findings import findings
from wpl_lab.search.published.measures import errors_of, measures
from wpl_lab.search.published.outcomes import outcomes, outcomes_of
from wpl_lab.search.published.yardsticks import random_search, trainings_worth, yardsticks

FEWEST = 10
"""The smallest number of ranked architectures that is evaluated."""
RIVALS = ("none", "slow", "replay")
"""The arms that WPL is compared with in the primary comparisons."""


class Judged(NamedTuple):
    """The results of the evaluation.

    Attributes:
        tables: By name; each is written to a file.
        findings: A document in Markdown.
    """

    tables: dict[str, pd.DataFrame]
    findings: str


def judge(
    given: Mapping[str, pd.DataFrame], truth: pd.DataFrame, ranked: Sequence[str], *, primary: str
) -> Judged:
    """Evaluate searches.

    Args:
        given: The tables of the jobs: ``children`` and ``scores`` of the searches.
        truth: As returned by ``truth_files``.
        ranked: The architectures whose ranking is evaluated; those that are not in the truth are
            left out.
        primary: The primary outcome, declared before the runs.

    Returns:
        Tables and findings.

    Raises:
        DataError: If the truth has too few of the architectures.
        ValueError: If every search diverged.
    """
    children, diverged = split_diverged(given["children"])
    scores = without(given["scores"], diverged.set_index(RUN).index)
    if scores.empty:
        first = diverged.iloc[0]
        raise ValueError(
            f"all {len(diverged)} searches diverged, the first in epoch {first['epoch']} with "
            f"{first['genotype']}; try a lower training.learning_rate"
        )
    names = list(truth["data"].unique())
    everywhere = truth.groupby("genotype")["data"].nunique() == len(names)
    known_to_all = {*everywhere[everywhere].index}
    judged = [genotype for genotype in ranked if genotype in known_to_all]
    if len(judged) < FEWEST:
        raise DataError(
            f"the truth has {len(judged)} of the {len(ranked)} ranked architectures; at least "
            f"{FEWEST} are needed: raise training.sampled, or leave out operations"
        )
    of_ranked = scores[scores["genotype"].isin(judged)]
    own = {
        "forgetting": forgetting(children),
        "ranking": ranking(of_ranked, truth, len(judged)),
        "found": found_in_truth(found(scores), truth),
    }
    known = outcomes_of(names[1:])
    runs = outcomes(**own, names=list(known))
    arms = summaries(runs, diverged, primary, outcomes=known)
    verdicts = comparisons(runs, primary, outcomes=known, rivals=RIVALS, decides=_decides)
    held = yardsticks(truth, judged)
    text = findings(
        names=names,
        count=len(judged),
        primary=primary,
        known=known,
        summaries=arms,
        verdicts=verdicts,
        yardsticks=held,
        ranking=own["ranking"],
        found=own["found"],
        diverged=diverged,
    )
    tables = own | {
        "later": by_later(children),
        "yardsticks": held,
        "random": random_search(truth, names[0]).rename("regret").reset_index(),
        "runs": runs,
        "arms": arms,
        "verdicts": verdicts,
        "diverged": diverged,
    }
    return Judged(tables, text)


def ranking(scores: pd.DataFrame, truth: pd.DataFrame, count: int) -> pd.DataFrame:
    """Compare shared-weight scores with the truth, by epoch and data set.

    Args:
        scores: Rows of ``score`` of the ranked architectures, with the columns of a run.
        truth: As returned by ``truth_files``.
        count: Number of ranked architectures. Epochs with fewer scores are skipped: they scored
            only candidates.

    Returns:
        One row per run, epoch and data set: the number of epochs done, the work so far, the mean
        score in nats, and the measures.
    """
    errors = {data: errors_of(truth, data) for data in truth["data"].unique()}
    rows = []
    for key, epoch in scores.groupby([*RUN, "epoch"], sort=False):
        if len(epoch) < count:
            continue
        score = finite(epoch.set_index("genotype")["cross_entropy"])
        row = dict(zip([*RUN, "epoch"], key, strict=True))
        row |= {"epochs": row["epoch"] + 1, "work": epoch["work"].iloc[0], "mean": score.mean()}
        rows += [
            row | {"data": data} | measures(score, of_data, best=of_data.min())
            for data, of_data in errors.items()
        ]
    return pd.DataFrame(rows)


def found_in_truth(winners: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Look up the found architectures in the truth, and compare them with random search.

    Args:
        winners: As returned by ``found.found``.
        truth: As returned by ``truth_files``.

    Returns:
        ``winners`` with the rank (1 is best) and the regret in points on the first data set; the
        regret on the others; the cost of the search, in trainings; the expected regret of random
        search with as many trainings, at least one; and the number of trainings with which random
        search reaches the regret of the found architecture, infinite if none of those computed.
    """
    names = list(truth["data"].unique())
    errors = {data: errors_of(truth, data) for data in names}
    first = errors[names[0]]
    rank, chance = first.rank(method="min"), random_search(truth, names[0])
    rows = []
    for run in winners.to_dict("records"):
        genotype = run["genotype"]
        regrets = {data: of[genotype] - of.min() for data, of in errors.items() if genotype in of}
        regret = regrets.get(names[0], float("nan"))
        worth = trainings_worth(run["work"], truth, names[0])
        k = min(len(chance), max(1, int(worth))) if math.isfinite(worth) else 1
        as_good = chance.index[chance <= regret]
        row = {"found_rank": rank.get(genotype), "found_regret": regret, "trainings": worth}
        row |= {f"found_regret_{data}": regrets.get(data) for data in names[1:]}
        row |= {"random_found_regret": chance[k]}
        rows.append(run | row | {"random_needs": as_good[0] if len(as_good) else float("inf")})
    return pd.DataFrame(rows)


def _decides(arm: str, other: str) -> bool:
    return arm == "wpl" and other in RIVALS
