"""Say in words what the comparison found, for and against the weight plasticity loss."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from wpl.evaluation import bootstrap_interval, paired_test
from wpl_lab.two_models.arms import ARM_NAMES, Arm, stop_title

ENOUGH = 0.9
"""The share of the forgetting that an anchor must remove where costs are compared."""

SIGNIFICANT = 0.05
"""The p-value below which a difference counts as shown."""


def findings(
    scores: pd.DataFrame,
    compared: pd.DataFrame,
    alphas: Mapping[Arm, float],
    fisher: Mapping[str, Any],
) -> str:
    """Write the findings of one number of shared layers, as Markdown.

    Args:
        scores: As from ``final_scores``, with the arms ``none``, ``wpl`` and ``l2`` at least.
        compared: ``compare(scores)``.
        alphas: Strength of each arm that has one.
        fisher: Kind and number of samples of the Fisher information, without which a strength
            means nothing.

    Returns:
        A document.
    """
    lines = [
        "# Findings",
        "",
        f"Means of {compared['seeds'].max()} seeds, 95 % bootstrap intervals, paired tests. "
        f"Fisher information: {fisher['kind']}, of {fisher['samples']} samples.",
    ]
    for stop, rows in compared.groupby("stop", sort=False):
        runs = scores[scores["stop"] == stop]
        sentences = _of_case(runs, rows, alphas, "wpl")
        if {"floor", "wpl"} <= set(rows["arm"]):
            sentences += [_floor(rows)]
        if {"omega", "wpl"} <= set(rows["arm"]):
            sentences += [_diagonal(runs)]
        if "frozen" in set(rows["arm"]):
            sentences += [_against_freezing(runs, _at(rows, "wpl", alphas["wpl"]))]
        lines += _section(stop_title(stop), sentences)
    return "\n".join(lines) + "\n"


def split_findings(
    scores: pd.DataFrame, compared: pd.DataFrame, alphas: Mapping[Arm, float]
) -> str:
    """Write the findings of one network trained on half of the classes, then on the others.

    Args:
        scores: As from ``final_scores``, with the arms ``none`` and ``ewc`` at least.
        compared: ``compare(scores)``.
        alphas: Strength of each arm that has one.

    Returns:
        A section to add to ``findings``.
    """
    sentences = _of_case(scores, compared, alphas, "ewc")
    if "joint" in set(compared["arm"]):
        joint = _at(compared, "joint", 0.0)
        sentences += [
            f"Both could be had: together A reaches {joint.after:.1%}, B {joint.second:.1%}."
        ]
    title = "One network, A half of the classes and B the others, all weights anchored"
    return "\n".join(_section(title, sentences)) + "\n"


def _section(title: str, sentences: list[str]) -> list[str]:
    return ["", f"## {title}", "", *(f"- {sentence}" for sentence in sentences)]


def _of_case(
    runs: pd.DataFrame, rows: pd.DataFrame, alphas: Mapping[Arm, float], reference: Arm
) -> list[str]:
    """Say what each remedy does in one case, and how it compares with the reference."""
    none = rows[rows["arm"] == "none"].iloc[0]
    sentences = [
        f"Without a remedy A goes from {none.before:.1%} to {none.after:.1%}: it loses "
        f"{_points(none, 'forgetting')}. B reaches {none.second:.1%}."
    ]
    if none.forgetting <= 0:
        return [*sentences, "There is no forgetting to remove."]
    there = [arm for arm in alphas if arm in set(rows["arm"])]
    sentences += [_remedy(_at(rows, arm, alphas[arm])) for arm in there]
    return sentences + [
        _equally_protective(runs, rows, reference, a) for a in there if a != reference
    ]


def _remedy(row: pd.Series) -> str:
    name = ARM_NAMES[row.arm]
    return (
        f"{name[0].upper()}{name[1:]} (α = {row.alpha:g}) removes {row.reduction:.1%} "
        f"[{row.reduction_low:.1%}, {row.reduction_high:.1%}] of the forgetting "
        f"(p = {row.forgetting_p:.3f}); B pays {_points(row, 'cost')} (p = {row.cost_p:.3f})."
    )


def _equally_protective(runs: pd.DataFrame, rows: pd.DataFrame, arm: Arm, other: Arm) -> str:
    """Compare two arms where each removes enough forgetting at the lowest cost to B."""
    # Only strengths at which both were run: more tries would find a lower cost.
    tried = [set(rows[rows["arm"] == name]["alpha"]) for name in (arm, other)]
    both = rows[rows["arm"].isin([arm, other]) & rows["alpha"].isin(tried[0] & tried[1])]
    enough = both[both["reduction"] >= ENOUGH]
    best = {name: of.loc[of["cost"].idxmin()] for name, of in enough.groupby("arm")}
    costs = [
        f"with {ARM_NAMES[name]} (α = {best[name].alpha:g}) it costs B "
        f"{_points(best[name], 'cost')}"
        if name in best
        else f"{ARM_NAMES[name]} does not at any strength that both tried"
        for name in (arm, other)
    ]
    if len(best) == 2:
        gain, sign = _gain(
            *(_scores(runs, name, best[name].alpha, "second") for name in (arm, other))
        )
        costs += [f"the first leaves B {gain}"]
        verdicts = (f"{ARM_NAMES[other]} is better", f"{ARM_NAMES[arm]} is better")
        if other == "l2":
            verdicts = ("the uniform anchor is better", "Fisher helps")
        verdict = (verdicts[0], "no difference is shown", verdicts[1])[sign + 1]
    else:
        verdict = f"only {ARM_NAMES[next(iter(best))]} does it" if best else "neither does it"
    return f"To remove at least {ENOUGH:.0%}: {'; '.join(costs)}. **Verdict: {verdict}.**"


def _floor(rows: pd.DataFrame) -> str:
    """Say what is left at the largest strength, where exact zeros of F do not hold."""
    wpl, floor = (rows[rows["arm"] == arm].nlargest(1, "alpha").iloc[0] for arm in ("wpl", "floor"))
    return (
        f"At the largest strength tried (α = {wpl.alpha:g}) WPL still forgets "
        f"{_points(wpl, 'forgetting')}, with a floor {_points(floor, 'forgetting')}; B pays "
        f"{_points(wpl, 'cost')} and {_points(floor, 'cost')}."
    )


def _diagonal(runs: pd.DataFrame) -> str:
    """Say what the diagonal Fisher information loses against Ω, where the anchors are weakest."""
    alphas = [set(runs[runs["arm"] == arm]["alpha"]) for arm in ("wpl", "omega")]
    alpha = min(alphas[0] & alphas[1])
    kept = [_scores(runs, arm, alpha, "after") for arm in ("wpl", "omega")]
    gain, _ = _gain(*kept)
    return (
        f"At the least strength that both tried (α = {alpha:g}) A keeps {kept[0].mean():.1%} with "
        f"the diagonal Fisher information and {kept[1].mean():.1%} with the exact Ω that it stands "
        f"for: {gain}."
    )


def _against_freezing(runs: pd.DataFrame, wpl: pd.Series) -> str:
    frozen = _scores(runs, "frozen", 0.0, "second")
    gain, _ = _gain(_scores(runs, "wpl", wpl.alpha, "second"), frozen)
    return (
        "Freezing the shared layers forgets nothing; compared with that, WPL forgets "
        f"{wpl.forgetting * 100:.1f} points and leaves B {gain}."
    )


def _gain(first: Any, second: Any) -> tuple[str, int]:
    """Compare two sets of scores: the gain in words, and its sign where one is shown, else 0."""
    low, high = bootstrap_interval(lambda d: d.mean(axis=-1), first - second)
    gain, p = (first - second).mean(), paired_test(first, second)
    text = f"{gain * 100:+.1f} points [{low * 100:+.1f}, {high * 100:+.1f}], p = {p:.3f}"
    return text, 0 if p >= SIGNIFICANT else 1 if gain > 0 else -1


def _scores(runs: pd.DataFrame, arm: str, alpha: float, column: str) -> Any:
    chosen = runs[(runs["arm"] == arm) & (runs["alpha"] == alpha)]
    return chosen.sort_values("seed")[column].to_numpy()


def _at(rows: pd.DataFrame, arm: str, alpha: float) -> pd.Series:
    return rows[(rows["arm"] == arm) & (rows["alpha"] == alpha)].iloc[0]


def _points(row: pd.Series, name: str) -> str:
    low, high = row[f"{name}_low"] * 100, row[f"{name}_high"] * 100
    return f"{row[name] * 100:.1f} points [{low:.1f}, {high:.1f}]"
