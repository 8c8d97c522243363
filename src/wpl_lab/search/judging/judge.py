"""Evaluate the searches of a task: from the tables of its jobs to headline and findings."""

from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from wpl_lab.search.judging.agreement import finite, ranking
from wpl_lab.search.judging.comparison import comparisons, headline, mean_curve, summaries
from wpl_lab.search.judging.errors import by_later, forgetting, split_diverged, without
from wpl_lab.search.judging.found import against_truth, found, retrained
from wpl_lab.search.judging.keys import RUN
from wpl_lab.search.judging.outcomes import outcomes
from wpl_lab.search.judging.search_findings import findings
from wpl_lab.search.judging.truth import truth_of, yardsticks
from wpl_lab.search.search_names import TaskName

GIVEN = ("children", "policy", "scores", "standalone", "found", "random")
"""Names of the tables that are evaluated."""


class Lengths(NamedTuple):
    """For how many batches architectures are trained alone.

    Attributes:
        truth: For the ground truth.
        longer: To check whether the order of the ground truth is stable.
        short: By random search: what a search trains in one epoch.
    """

    truth: int
    longer: int
    short: int


class Judged(NamedTuple):
    """The results of evaluating the searches of a task.

    Attributes:
        tables: By name; each is written to a file.
        headline: The few numbers by which experiments are compared first.
        findings: A document in Markdown.
    """

    tables: dict[str, pd.DataFrame]
    headline: dict[str, dict[str, dict[str, float]]]
    findings: str


def judge(
    given: Mapping[str, pd.DataFrame], *, task: TaskName, primary: str, lengths: Lengths
) -> Judged:
    """Evaluate the searches of a task.

    Args:
        given: Rows of the jobs, by the names ``GIVEN``: of the searches; of architectures of the
            small space trained alone; and of those found in the full space and of random ones,
            trained alone. The last two may have no rows.
        task: What was searched for cells of.
        primary: The primary outcome.
        lengths: Lengths of training alone.

    Returns:
        Tables, headline and findings.

    Raises:
        ValueError: If every search of the spaces whose truth is known diverged.
    """
    children, diverged = split_diverged(given["children"])
    left = diverged.set_index(RUN).index
    policy, scores = (without(given[name], left) for name in ("policy", "scores"))
    if scores.empty:
        first = diverged.iloc[0]
        raise ValueError(
            f"all {len(diverged)} searches diverged, the first in epoch {first['epoch']} with "
            f"{first['genotype']}; try a lower search.{task}.training.learning_rate"
        )
    alone, longer, short = (_trained(given["standalone"], batches) for batches in lengths)
    own = {
        "forgetting": forgetting(children),
        "policy": policy,
        "ranking": ranking(scores, truth_of(alone)),
        "found": against_truth(found(scores), alone, short),
        "retrained": retrained(given["found"], given["random"]),
    }
    runs = outcomes(**own)
    arms = summaries(runs, diverged, primary)
    verdicts = comparisons(runs, primary)
    known = yardsticks(alone, longer)
    text = findings(
        task=task,
        primary=primary,
        summaries=arms,
        verdicts=verdicts,
        yardsticks=known,
        diverged=diverged,
    )
    tables = own | {
        "later": by_later(children),
        "truth": given["standalone"],
        "yardsticks": known,
        "runs": runs,
        "arms": arms,
        "verdicts": verdicts,
        "diverged": diverged,
        "mean_forgetting": mean_curve(own["forgetting"], "mean_nats"),
        "mean_ranking": mean_curve(own["ranking"], "tau"),
    }
    return Judged(tables, headline(runs, primary), text)


def _trained(standalone: pd.DataFrame, batches: int) -> pd.DataFrame:
    """Select the runs of one training length; those that diverged count as the worst of them."""
    own = standalone[standalone["batches"] == batches]
    return own.assign(**{part: finite(own[part]) for part in ("select", "test")})
