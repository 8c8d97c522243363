"""Write the findings of searches with a published ground truth, as tables with short text."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from wpl_lab.arm_choice import TITLES, in_order
from wpl_lab.io.rendering import number, table
from wpl_lab.search.judging.keys import CASE
from wpl_lab.search.judging.outcomes import Outcome
from wpl_lab.search.judging.search_findings import decisions, seeds
from wpl_lab.search.judging.sweep import swept
from wpl_lab.search.judging.truth import CEILING
from wpl_lab.search.judging.wording import estimate, verdict
from wpl_lab.search.search_names import METHOD_NAMES

DATA_NAMES = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "imagenet": "ImageNet-16-120"}


def findings(
    *,
    names: Sequence[str],
    count: int,
    primary: str,
    known: Mapping[str, Outcome],
    summaries: pd.DataFrame,
    verdicts: pd.DataFrame,
    yardsticks: pd.DataFrame,
    ranking: pd.DataFrame,
    found: pd.DataFrame,
    diverged: pd.DataFrame,
) -> str:
    """Write the findings as Markdown.

    Args:
        names: The data sets of the truth; the first is that of the search.
        count: Number of ranked architectures.
        primary: The primary outcome, declared before the runs.
        known: The outcomes, by name.
        summaries: As returned by ``comparison.summaries``.
        verdicts: As returned by ``comparison.comparisons``.
        yardsticks: As returned by ``yardsticks.yardsticks``.
        ranking: As returned by ``judge.ranking``.
        found: As returned by ``judge.found_in_truth``.
        diverged: The searches that diverged, as returned by ``errors.split_diverged``.

    Returns:
        The document.
    """
    sections = [
        "# Findings of the searches evaluated with a published ground truth",
        "Means over seeds with 95 % bootstrap intervals; with fewer than five seeds, the value of "
        f"each seed. {count} architectures, drawn once for all searches, are ranked by their "
        "cross-entropy with shared weights; the ground truth is their published accuracy on "
        f"{_named(names[0])}, each trained alone. p-values are from paired sign-flip tests; with n "
        "seeds they are at least 2^(1 − n).",
        "## Does WPL rank better?",
        conclusion(verdicts, known, primary),
        decisions(verdicts[verdicts["primary"]], known),
        "## Ground truth",
        "Scores that need no search, compared with the ground truth. Read every measure below "
        "between chance and the ceiling, and next to that of the number of parameters.",
        held_against(yardsticks, known),
    ]
    for key, of_case in summaries[~swept(summaries["arm"])].groupby(CASE, sort=False):
        _, method = key
        title = METHOD_NAMES[method]
        own = ranking[(ranking["method"] == method) & (ranking["data"] == names[0])]
        sections += [
            f"## {title[0].upper()}{title[1:]}, at the end",
            arms(of_case, known),
            f"## {title[0].upper()}{title[1:]}, τ over the budget",
            budget(own[~swept(own["arm"])]),
        ]
    sections += ["## Found architectures and random search", cost(found, names[0])]
    if not diverged.empty:
        sections += ["## Searches that diverged", failures(diverged)]
    return "\n\n".join(sections) + "\n"


def conclusion(verdicts: pd.DataFrame, known: Mapping[str, Outcome], primary: str) -> str:
    """State, in a sentence for each rival, whether WPL is better by the primary outcome."""
    rows = verdicts[verdicts["primary"]]
    if rows.empty:
        return "WPL was not compared with anything."
    said = []
    for _, row in rows.iterrows():
        told = verdict(row, known).replace("*", "")
        what = {"better": "WPL is better than", "worse": "WPL is worse than"}.get(
            told, "It is not shown that WPL differs from"
        )
        said.append(f"{what} {TITLES[row['against']]} ({METHOD_NAMES[row['method']]}).")
    return f"By {known[primary].title}, which was declared beforehand: " + " ".join(said)


def held_against(yardsticks: pd.DataFrame, known: Mapping[str, Outcome]) -> str:
    """Tabulate the yardsticks: repeated ground truth and scores that need no search."""
    names = ["tau", "tau_top", "rho", "precision", "regret"]
    rows = [
        [_named(row["data"]), f"{row['score']}{', the ceiling' * (row['score'] == CEILING)}"]
        + [number(row[name], known[name].digits) for name in names]
        for _, row in yardsticks.iterrows()
    ]
    return table(["data", "score", *(known[name].title for name in names)], rows)


def arms(summaries: pd.DataFrame, known: Mapping[str, Outcome]) -> str:
    """Tabulate every outcome of every arm of a case."""
    cells = {(row["arm"], row["outcome"]): row for _, row in summaries.iterrows()}
    names = [name for name in known if name in set(summaries["outcome"])]
    rows = []
    for arm in in_order(summaries["arm"]):
        of_arm = [cells.get((arm, name)) for name in names]
        told = ["–" if row is None else estimate(row, outcomes=known) for row in of_arm]
        rows.append([TITLES[arm], seeds(summaries[summaries["arm"] == arm]), *told])
    return table(["arm", "n", *(known[name].title for name in names)], rows)


def budget(ranking: pd.DataFrame) -> str:
    """Tabulate the mean τ of each arm, epoch by epoch."""
    means = ranking.pivot_table(index="arm", columns="epochs", values="tau")
    rows = [
        [TITLES[arm], *(number(value, 3) for value in means.loc[arm])]
        for arm in in_order(means.index)
    ]
    return table(["arm", *(f"epoch {epochs}" for epochs in means)], rows)


def cost(found: pd.DataFrame, data: str) -> str:
    """Tabulate what the searches found, and what random search finds at the same cost."""
    own = found[~swept(found["arm"])]
    rows = []
    for (method, arm), of_arm in own.groupby(["method", "arm"], sort=False):
        needs = of_arm["random_needs"].median()
        rows.append(
            [
                METHOD_NAMES[method],
                TITLES[arm],
                number(of_arm["found_regret"].mean(), 2),
                number(of_arm["trainings"].mean(), 3),
                number(of_arm["random_found_regret"].mean(), 2),
                f"{needs:.0f}" if math.isfinite(needs) else "beyond the computed range",
            ]
        )
    header = ["search", "arm", "regret of the found architecture, points", "cost in trainings"]
    header += ["regret of random search", "trainings that random search needs, median"]
    return (
        f"On {_named(data)}. A search that processes as many training images as a training of the "
        "benchmark counts as one training, whose length is the mean of the benchmark's times; "
        "random search is given as many trainings as the search costs, at least one.\n\n"
        + table(header, rows)
    )


def failures(diverged: pd.DataFrame) -> str:
    """List the searches that diverged, and where."""
    return "\n".join(
        f"- {METHOD_NAMES[row['method']]}, {row['arm']}, seed {row['seed']}: epoch "
        f"{row['epoch']}, {row['genotype']}"
        for row in diverged.to_dict("records")
    )


def _named(data: str) -> str:
    return DATA_NAMES.get(data, data)
