"""Say in words what the comparison found, for and against the weight plasticity loss."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from wpl.evaluation import bootstrap_interval, paired_test

ENOUGH = 0.9
"""The share of the forgetting that both anchors must remove where their costs are compared."""


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
        if "l2" in set(rows["arm"]):
            lines += [f"- {sentence}" for sentence in _fisher_or_any_anchor(runs, rows)]
    return "\n".join(lines) + "\n"


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
    gain, p = float((wpl - l2).mean()), paired_test(wpl, l2)
    low, high = bootstrap_interval(lambda d: d.mean(axis=-1), wpl - l2)
    verdict = "no difference is shown"
    if p < 0.05:
        verdict = "the Fisher information helps" if gain > 0 else "the uniform anchor is better"
    yield (
        f"Removing at least {ENOUGH:.0%} costs B {best['wpl'].cost * 100:.1f} points with WPL "
        f"(α = {best['wpl'].alpha:g}) and {best['l2'].cost * 100:.1f} with L2 "
        f"(α = {best['l2'].alpha:g}): WPL leaves B {gain * 100:+.1f} points "
        f"[{low * 100:+.1f}, {high * 100:+.1f}], p = {p:.3f}; **{verdict}**."
    )


def _second(runs: pd.DataFrame, arm: str, alpha: float) -> Any:
    chosen = runs[(runs["arm"] == arm) & (runs["alpha"] == alpha)]
    return chosen.sort_values("seed")["second"].to_numpy()


def _at(rows: pd.DataFrame, arm: str, alpha: float) -> pd.Series:
    return rows[(rows["arm"] == arm) & (rows["alpha"] == alpha)].iloc[0]


def _points(row: pd.Series, name: str) -> str:
    low, high = row[f"{name}_low"] * 100, row[f"{name}_high"] * 100
    return f"{row[name] * 100:.1f} points [{low:.1f}, {high:.1f}]"
