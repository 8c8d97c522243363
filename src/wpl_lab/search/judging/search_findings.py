"""Say what the searches showed, for and against each remedy: tables, and thin prose around them."""

import pandas as pd

from wpl_lab.arm_choice import TITLES, in_order
from wpl_lab.search.judging.comparison import RANDOM
from wpl_lab.search.judging.keys import CASE
from wpl_lab.search.judging.outcomes import OUTCOMES
from wpl_lab.search.judging.sweep import swept
from wpl_lab.search.judging.truth import BOUND, CEILING, CHANCE, LONGER, PAIR
from wpl_lab.search.judging.wording import estimate, number, p_value, table, verdict
from wpl_lab.search.search_names import METHOD_NAMES, POINT_NAMES, TaskName, space_name

NOTES = {
    CEILING: "the ceiling",
    PAIR: "against another seed",
    LONGER: "whether the order stands",
    BOUND: "an upper bound: the best of all counts of operations, chosen on this truth",
    CHANCE: "a random order",
}
TOLD = ("err1", "forgetting", "space_mean", "reward", "tau", "tau_top", "regret", "test_error")
"""The exploratory outcomes whose comparisons are listed; verdicts.csv has all of them."""


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
        task: What was searched for cells of.
        primary: The outcome that decides.
        summaries: As from ``comparison.summaries``.
        verdicts: As from ``comparison.comparisons``.
        yardsticks: As from ``truth.yardsticks``.
        diverged: As from ``errors.split_diverged``.

    Returns:
        A document.
    """
    sections = [
        f"# Findings of the architecture searches on {task}",
        "Means over seeds with 95 % bootstrap intervals; with fewer than five seeds, the seeds. "
        "err1 is the cross-entropy of a child right after its training, err2 the same at the end "
        "of its epoch, forgetting err2 − err1 (the last child of an epoch, which cannot forget, "
        "left out): means over the second half of the epochs. Points are "
        f"{POINT_NAMES[task]}. Everything else is of the end of the search. p-values are of paired "
        "sign-flip tests, which with n seeds cannot fall below 2^(1 − n).",
        "## What decides",
        f"The outcome declared beforehand (`search.primary`) is {OUTCOMES[primary].title}. Its "
        "comparisons in the small space are one family, adjusted by Holm's method.",
        decisions(verdicts[verdicts["primary"]]),
        "## The truth",
        "What scores that need no search reach, held against the truth: every τ, ρ, precision and "
        "regret below is to be read between chance and the ceiling.",
        truth(yardsticks),
    ]
    for key, of_case in summaries[~swept(summaries["arm"])].groupby(CASE, sort=False):
        space, method = key
        own = verdicts[(verdicts["space"] == space) & (verdicts["method"] == method)]
        sections += [
            f"## {METHOD_NAMES[method]}, {space_name(space)}",
            arms(of_case, yardsticks),
            "Exploratory, not adjusted for their number:",
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


def decisions(verdicts: pd.DataFrame) -> str:
    """Table the comparisons that decide."""
    rows = [
        [
            METHOD_NAMES[row["method"]],
            _pair(row),
            str(row["n"]),
            estimate(row, signed=True),
            p_value(row["p"]),
            p_value(row["holm"]),
            verdict(row),
        ]
        for _, row in verdicts.iterrows()
    ]
    header = ["search", "comparison", "n", "difference", "p", "p, Holm", "verdict"]
    return table(header, rows)


def truth(yardsticks: pd.DataFrame) -> str:
    """Table what the truth and trivial scores reach."""
    measures = {o.yardstick: o for o in OUTCOMES.values() if o.yardstick}
    rows = [
        [f"{row['score']}, {NOTES[row['score']]}"]
        + [number(row[name], outcome.digits) for name, outcome in measures.items()]
        for _, row in yardsticks.iterrows()
        if row["score"] in NOTES
    ]
    return table(["score", *(outcome.title for outcome in measures.values())], rows)


def arms(summaries: pd.DataFrame, yardsticks: pd.DataFrame) -> str:
    """Table every outcome of every arm of a case; beneath it, what searches are held against."""
    cells = {(row["arm"], row["outcome"]): row for _, row in summaries.iterrows()}
    names = [name for name in OUTCOMES if name in set(summaries["outcome"])]
    rows = []
    for arm in in_order(summaries["arm"]):
        of_arm = [cells.get((arm, name)) for name in names]
        told = ["–" if row is None else estimate(row) for row in of_arm]
        rows.append([TITLES[arm], _seeds(summaries[summaries["arm"] == arm]), *told])
    random = summaries.groupby("outcome")["random"].mean()
    rows += _held_against(names, yardsticks.set_index("score"), random)
    return table(["arm", "n", *(OUTCOMES[name].title for name in names)], rows)


def _seeds(of_arm: pd.DataFrame) -> str:
    lost = of_arm["diverged"].max()
    return f"{of_arm['n'].max()}" + (f" and {lost} diverged" if lost else "")


def _held_against(names: list[str], yardsticks: pd.DataFrame, random: pd.Series) -> list[list[str]]:
    """Make the rows of ceiling, best count, chance and random search, where they are known."""
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
    """Table comparisons that do not decide."""
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
    """Name the searches that diverged, and where."""
    return "\n".join(
        f"- {METHOD_NAMES[row['method']]}, {space_name(row['space'])}, {row['arm']}, seed "
        f"{row['seed']}: epoch {row['epoch']}, {row['genotype']}"
        for row in diverged.to_dict("records")
    )


def _pair(row: pd.Series) -> str:
    against = TITLES.get(row["against"], row["against"])
    return f"{TITLES[row['arm']]} against {against}"
