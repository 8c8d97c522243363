"""Judge searches by a published truth: from the tables that jobs left to tables and findings."""

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
"""Of fewer ranked architectures nothing can be said."""
RIVALS = ("none", "slow", "replay")
"""The arms that WPL must beat: the comparisons that decide are of it with them."""


class Judged(NamedTuple):
    """What is known of the searches.

    Attributes:
        tables: By name; each is written to a file.
        findings: A document in Markdown.
    """

    tables: dict[str, pd.DataFrame]
    findings: str


def judge(
    given: Mapping[str, pd.DataFrame], truth: pd.DataFrame, ranked: Sequence[str], *, primary: str
) -> Judged:
    """Judge searches.

    Args:
        given: Rows that jobs left: ``children`` and ``scores`` of the searches.
        truth: As from ``truth_files``.
        ranked: The architectures whose ranking is judged; those that the truth lacks are left out.
        primary: The outcome that decides.

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
    """Hold shared-weight scores against the truth, epoch by epoch, data set by data set.

    Args:
        scores: Rows of ``score`` of the ranked architectures, with the columns of a run.
        truth: As from ``truth_files``.
        count: How many are ranked; other epochs scored some of them as candidates only.

    Returns:
        One row per run, epoch and data set: epochs done, the work up to then, the mean of the
        scores in nats, and the measures.
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
    """Say how good the found architectures are, on every data set, and what random search finds.

    Args:
        winners: As from ``found.found``.
        truth: As from ``truth_files``.

    Returns:
        ``winners`` with, on the first data set, rank (1 is best) and regret in points; the regret
        on the others; how many trainings the search costs as much as; the expected regret of
        random search with as many, at least one; and how many it needs for the regret of the
        found one, infinite if more than were followed.
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
