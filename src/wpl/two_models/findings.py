"""Say in words what the comparison found, for and against the weight plasticity loss."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from wpl.evaluation import bootstrap_interval, paired_test
from wpl.two_models.names import ARM_NAMES, stop_title

ENOUGH = 0.9
"""The share of the forgetting that an anchor must remove where costs are compared."""

SIGNIFICANT = 0.05
"""The p-value below which a difference counts as shown."""


def findings(
    scores: pd.DataFrame,
    compared: pd.DataFrame,
    alphas: Mapping[str, float],
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
        none = rows[rows["arm"] == "none"].iloc[0]
        sentences = [
            f"Without a remedy A goes from {none.before:.1%} to {none.after:.1%}: it loses "
            f"{_points(none, 'forgetting')}. B reaches {none.second:.1%}."
        ]
        if none.forgetting > 0:
            sentences += [_remedy(_at(rows, arm, alpha)) for arm, alpha in alphas.items()]
            sentences += [_fisher_or_any_anchor(runs, rows)]
        else:
            sentences += ["There is no forgetting to remove."]
        if "frozen" in set(rows["arm"]):
            sentences += [_against_freezing(runs, _at(rows, "wpl", alphas["wpl"]))]
        lines += ["", f"## {stop_title(stop)}", "", *(f"- {sentence}" for sentence in sentences)]
    return "\n".join(lines) + "\n"


def _remedy(row: pd.Series) -> str:
    return (
        f"{ARM_NAMES[row.arm]} (α = {row.alpha:g}) removes {row.reduction:.1%} "
        f"[{row.reduction_low:.1%}, {row.reduction_high:.1%}] of the forgetting "
        f"(p = {row.forgetting_p:.3f}); B pays {_points(row, 'cost')} (p = {row.cost_p:.3f})."
    )


def _fisher_or_any_anchor(runs: pd.DataFrame, rows: pd.DataFrame) -> str:
    """Compare wpl and l2 where each removes enough forgetting at the lowest cost to B."""
    enough = rows[(rows["reduction"] >= ENOUGH) & rows["arm"].isin(["wpl", "l2"])]
    best = {arm: of.loc[of["cost"].idxmin()] for arm, of in enough.groupby("arm")}
    costs = [
        f"with {ARM_NAMES[arm]} (α = {best[arm].alpha:g}) it costs B {_points(best[arm], 'cost')}"
        if arm in best
        else f"{ARM_NAMES[arm]} does not at any strength tried"
        for arm in ("wpl", "l2")
    ]
    if len(best) == 2:
        wpl, l2 = (_second(runs, arm, best[arm].alpha) for arm in ("wpl", "l2"))
        gain, sign = _gain(wpl, l2)
        costs += [f"the first leaves B {gain}"]
        verdicts = ("the uniform anchor is better", "no difference is shown", "Fisher helps")
        verdict = verdicts[sign + 1]
    else:
        verdict = f"only {ARM_NAMES[next(iter(best))]} does it" if best else "neither does it"
    return f"To remove at least {ENOUGH:.0%}: {'; '.join(costs)}. **Verdict: {verdict}.**"


def _against_freezing(runs: pd.DataFrame, wpl: pd.Series) -> str:
    gain, _ = _gain(_second(runs, "wpl", wpl.alpha), _second(runs, "frozen", 0.0))
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


def _second(runs: pd.DataFrame, arm: str, alpha: float) -> Any:
    chosen = runs[(runs["arm"] == arm) & (runs["alpha"] == alpha)]
    return chosen.sort_values("seed")["second"].to_numpy()


def _at(rows: pd.DataFrame, arm: str, alpha: float) -> pd.Series:
    return rows[(rows["arm"] == arm) & (rows["alpha"] == alpha)].iloc[0]


def _points(row: pd.Series, name: str) -> str:
    low, high = row[f"{name}_low"] * 100, row[f"{name}_high"] * 100
    return f"{row[name] * 100:.1f} points [{low:.1f}, {high:.1f}]"
