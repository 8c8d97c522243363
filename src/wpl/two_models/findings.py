"""Say in words what the comparison found, for and against the weight plasticity loss."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from wpl.evaluation import bootstrap_interval, paired_test

ENOUGH = 0.9
"""The share of the forgetting that both anchors must remove where their costs are compared."""

SIGNIFICANT = 0.05
"""The p-value below which a difference counts as shown."""


def findings(scores: pd.DataFrame, compared: pd.DataFrame, alphas: Mapping[str, float]) -> str:
    """Write the findings of one number of shared layers, as Markdown.

    Args:
        scores: As from ``final_scores``, with the arms ``none`` and ``wpl`` at least.
        compared: ``compare(scores)``.
        alphas: Strength of each arm that has one.

    Returns:
        A document.
    """
    lines = ["# Findings", ""]
    lines += [f"Means of {compared['seeds'].max()} seeds, 95 % bootstrap intervals, paired tests."]
    for stop, rows in compared.groupby("stop", sort=False):
        runs = scores[scores["stop"] == stop]
        none = rows[rows["arm"] == "none"].iloc[0]
        where = "A converged" if stop == "converged" else f"A stopped at {stop}"
        lines += ["", f"## {where}", ""]
        lines += [
            f"- Without a remedy A falls from {none.before:.1%} to {none.after:.1%}: it loses "
            f"{_points(none, 'forgetting')}. B reaches {none.second:.1%}."
        ]
        for arm in [a for a in ("wpl", "l2") if a in set(rows["arm"])]:
            row = _at(rows, arm, alphas[arm])
            lines += [
                f"- {_NAMES[arm]} (α = {row.alpha:g}) removes {row.reduction:.1%} "
                f"[{row.reduction_low:.1%}, {row.reduction_high:.1%}] of the forgetting "
                f"(p = {row.forgetting_p:.3f}); B pays {_points(row, 'cost')} "
                f"(p = {row.cost_p:.3f})."
            ]
        if "frozen" in set(rows["arm"]):
            lines += [f"- {_against_freezing(runs, _at(rows, 'wpl', alphas['wpl']))}"]
        if "l2" in set(rows["arm"]):
            lines += [f"- {sentence}" for sentence in _fisher_or_any_anchor(runs, rows)]
    return "\n".join(lines) + "\n"


_UNDECIDED = "no difference is shown"
_NAMES = {"wpl": "WPL", "l2": "The uniform anchor (L2)"}


def _fisher_or_any_anchor(runs: pd.DataFrame, rows: pd.DataFrame) -> Iterator[str]:
    """Compare wpl and l2 where each removes enough forgetting at the lowest cost to B.

    Yields:
        A sentence.
    """
    best = {}
    for arm in ("wpl", "l2"):
        enough = rows[(rows["arm"] == arm) & (rows["reduction"] >= ENOUGH)]
        if enough.empty:
            yield f"{_NAMES[arm]} removes {ENOUGH:.0%} of the forgetting at no strength tried."
            return
        best[arm] = enough.loc[enough["cost"].idxmin()]
    wpl, l2 = (_second(runs, arm, best[arm].alpha) for arm in ("wpl", "l2"))
    gain, sign = _gain(wpl, l2)
    verdict = ("the uniform anchor is better", _UNDECIDED, "the Fisher information helps")[sign + 1]
    yield (
        f"Removing at least {ENOUGH:.0%}, on the grid of strengths tried, costs B "
        f"{best['wpl'].cost * 100:.1f} points with WPL (α = {best['wpl'].alpha:g}) and "
        f"{best['l2'].cost * 100:.1f} with L2 (α = {best['l2'].alpha:g}): WPL leaves B {gain}; "
        f"**{verdict}**."
    )


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
