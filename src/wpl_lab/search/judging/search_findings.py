"""Write the findings of the searches, for and against each remedy, as tables with short text."""

from collections.abc import Mapping

import pandas as pd

from wpl_lab.arm_choice import TITLES, in_order
from wpl_lab.io.rendering import number, table
from wpl_lab.search.judging.comparison import RANDOM
from wpl_lab.search.judging.keys import CASE
from wpl_lab.search.judging.outcomes import OUTCOMES, Outcome
from wpl_lab.search.judging.sweep import swept
from wpl_lab.search.judging.truth import BOUND, CEILING, CHANCE, LONGER, PAIR
from wpl_lab.search.judging.wording import estimate, p_value, verdict
from wpl_lab.search.search_names import METHOD_NAMES, POINT_NAMES, TaskName, space_name

NOTES = {
    CEILING: "the ceiling",
    PAIR: "against another seed",
    LONGER: "to check that the order is stable",
    BOUND: "an upper bound: the operation count that ranks best by this truth",
    CHANCE: "a random ranking",
}
TOLD = ("err1", "forgetting", "space_mean", "reward", "tau", "tau_top", "regret", "test_error")
"""Exploratory outcomes whose comparisons are listed; verdicts.csv has all outcomes."""


def findings(
    *,
    task: TaskName,
    primary: str,
    summaries: pd.DataFrame,
    verdicts: pd.DataFrame,
    yardsticks: pd.DataFrame,
    diverged: pd.DataFrame,
) -> str:
    """Write the findings as Markdown.

    Args:
        task: The task that was searched on.
        primary: The primary outcome.
        summaries: As returned by ``comparison.summaries``.
        verdicts: As returned by ``comparison.comparisons``.
        yardsticks: As returned by ``truth.yardsticks``.
        diverged: As returned by ``errors.split_diverged``.

    Returns:
        A document.
    """
    sections = [
        f"# Findings of the architecture searches on {task}",
        "Means over seeds with 95 % bootstrap intervals; with fewer than five seeds, the value of "
        "each seed. err1 is the cross-entropy of a child right after its training, err2 the same "
        "at the end of its epoch, and forgetting is err2 − err1: means over the children of the "
        "second half of the epochs, without the last child of each, which cannot forget. Points "
        f"are {POINT_NAMES[task]}. All other outcomes are measured at the end of the search. "
        "p-values are from paired sign-flip tests; with n seeds they are at least 2^(1 − n).",
        "## Primary outcome",
        f"The outcome declared beforehand (`search.primary`) is {OUTCOMES[primary].title}. Its "
        "comparisons in the small space are one family, adjusted by Holm's method.",
        decisions(verdicts[verdicts["primary"]]),
        "## Ground truth",
        "Scores that need no search, compared with the ground truth (every architecture trained "
        "alone). Read every τ, ρ, precision and regret below between chance and the ceiling.",
        truth(yardsticks),
    ]
    for key, of_case in summaries[~swept(summaries["arm"])].groupby(CASE, sort=False):
        space, method = key
        own = verdicts[(verdicts["space"] == space) & (verdicts["method"] == method)]
        sections += [
            f"## {METHOD_NAMES[method]}, {space_name(space)}",
            arms(of_case, yardsticks),
            "Exploratory comparisons, not adjusted for multiple testing:",
            explored(own[~own["primary"] & own["outcome"].isin(TOLD)]),
        ]
    if not diverged.empty:
        sections += [
            "## Searches that diverged",
            "Their seeds are left out of the means of the arm and of its comparisons, which "
            "flatters an arm of which many diverged.",
            failures(diverged),
        ]
    return "\n\n".join(sections) + "\n"


def decisions(verdicts: pd.DataFrame, outcomes: Mapping[str, Outcome] = OUTCOMES) -> str:
    """Tabulate the primary comparisons.

    Args:
        verdicts: As returned by ``comparison.comparisons``, of these only.
        outcomes: By name, those of the rows.

    Returns:
        A table in Markdown.
    """
    rows = [
        [
            METHOD_NAMES[row["method"]],
            _pair(row),
            str(row["n"]),
            estimate(row, signed=True, outcomes=outcomes),
            p_value(row["p"]),
            p_value(row["holm"]),
            verdict(row, outcomes),
        ]
        for _, row in verdicts.iterrows()
    ]
    header = ["search", "comparison", "n", "difference", "p", "p, Holm", "verdict"]
    return table(header, rows)


def truth(yardsticks: pd.DataFrame) -> str:
    """Tabulate the yardsticks: repeated ground truth and trivial scores."""
    measures = {o.yardstick: o for o in OUTCOMES.values() if o.yardstick}
    rows = [
        [f"{row['score']}, {NOTES[row['score']]}"]
        + [number(row[name], outcome.digits) for name, outcome in measures.items()]
        for _, row in yardsticks.iterrows()
        if row["score"] in NOTES
    ]
    return table(["score", *(outcome.title for outcome in measures.values())], rows)


def arms(summaries: pd.DataFrame, yardsticks: pd.DataFrame) -> str:
    """Tabulate every outcome of every arm of a case, and the yardsticks beneath."""
    cells = {(row["arm"], row["outcome"]): row for _, row in summaries.iterrows()}
    names = [name for name in OUTCOMES if name in set(summaries["outcome"])]
    rows = []
    for arm in in_order(summaries["arm"]):
        of_arm = [cells.get((arm, name)) for name in names]
        told = ["–" if row is None else estimate(row) for row in of_arm]
        rows.append([TITLES[arm], seeds(summaries[summaries["arm"] == arm]), *told])
    random = summaries.groupby("outcome")["random"].mean()
    rows += _held_against(names, yardsticks.set_index("score"), random)
    return table(["arm", "n", *(OUTCOMES[name].title for name in names)], rows)


def seeds(of_arm: pd.DataFrame) -> str:
    """Print how many seeds of an arm were run to the end, and how many diverged."""
    lost = of_arm["diverged"].max()
    return f"{of_arm['n'].max()}" + (f" and {lost} diverged" if lost else "")


def _held_against(names: list[str], yardsticks: pd.DataFrame, random: pd.Series) -> list[list[str]]:
    """Make the rows of ceiling, best count, chance and random search, where they exist."""
    known = {
        score: {name: yardsticks[OUTCOMES[name].yardstick][score] for name in _judged(names)}
        for score in (CEILING, BOUND, CHANCE)
    }
    known[RANDOM] = random[names].dropna().to_dict()
    return [
        [
            f"*{score}*",
            "",
            *(number(values[n], OUTCOMES[n].digits) if n in values else "" for n in names),
        ]
        for score, values in known.items()
        if values
    ]


def _judged(names: list[str]) -> list[str]:
    return [name for name in names if OUTCOMES[name].yardstick]


def explored(verdicts: pd.DataFrame) -> str:
    """Tabulate exploratory comparisons."""
    rows = [
        [
            OUTCOMES[row["outcome"]].title,
            _pair(row),
            estimate(row, signed=True),
            p_value(row["p"]),
            verdict(row),
        ]
        for _, row in verdicts.iterrows()
    ]
    return table(["outcome", "comparison", "difference", "p", "verdict"], rows)


def failures(diverged: pd.DataFrame) -> str:
    """List the searches that diverged, and where."""
    return "\n".join(
        f"- {METHOD_NAMES[row['method']]}, {space_name(row['space'])}, {row['arm']}, seed "
        f"{row['seed']}: epoch {row['epoch']}, {row['genotype']}"
        for row in diverged.to_dict("records")
    )


def _pair(row: pd.Series) -> str:
    against = TITLES.get(row["against"], row["against"])
    return f"{TITLES[row['arm']]} against {against}"
