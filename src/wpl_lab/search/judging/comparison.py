"""Compare the arms of the searches with each other and with random search, over seeds.

One outcome, declared in params.yaml before the runs, is the primary one; its comparisons are
adjusted for their number. All others are exploratory: they raise questions for further runs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from wpl.evaluation import (
    FEWEST_SEEDS,
    bootstrap_interval,
    detectable_difference,
    holm,
    paired_test,
)
from wpl_lab.arm_choice import in_order
from wpl_lab.search.judging.keys import CASE
from wpl_lab.search.judging.outcomes import OUTCOMES, Outcome
from wpl_lab.search.judging.sweep import swept

LEVEL = 0.05
"""The p-value below which a difference counts as shown."""
RANDOM = "random search"
CONTROL = "slow"
"""A second baseline for WPL: a smaller learning rate, which also forgets less."""


def summaries(
    runs: pd.DataFrame,
    diverged: pd.DataFrame,
    primary: str,
    *,
    outcomes: Mapping[str, Outcome] = OUTCOMES,
) -> pd.DataFrame:
    """Average every outcome of every arm over seeds.

    Args:
        runs: As returned by ``outcomes.outcomes``.
        diverged: The searches that diverged, as returned by ``errors.split_diverged``.
        primary: The primary outcome, declared before the runs.
        outcomes: By name, those of the runs.

    Returns:
        One row per space, method, arm and outcome: whether it is the primary outcome, number of
        finished and of diverged seeds, the mean with its 95 % bootstrap interval, the value of each
        seed, and the mean of random search.
    """
    lost = diverged.groupby([*CASE, "arm"]).size()
    rows = []
    for key, of_arm in runs.groupby([*CASE, "arm"], sort=False):
        for name, outcome in outcomes.items():
            values = of_arm[name].dropna()
            if values.empty:
                continue
            row = dict(zip([*CASE, "arm"], key, strict=True)) | {"outcome": name}
            row |= {"primary": name == primary}
            row |= {"n": len(values), "diverged": int(lost.get(key, 0))} | _mean(values)
            chance = of_arm[f"random_{name}"] if outcome.chance else pd.Series(dtype=float)
            rows.append(row | {"random": chance.mean()})
    return pd.DataFrame(rows)


def _against_none_and_control(arm: str, other: str) -> bool:
    """Tell whether a comparison is primary: with ``none``, or of WPL with its control."""
    return other == "none" or (arm, other) == ("wpl", CONTROL)


def comparisons(
    runs: pd.DataFrame,
    primary: str,
    *,
    outcomes: Mapping[str, Outcome] = OUTCOMES,
    rivals: Sequence[str] = (CONTROL, "l2"),
    decides: Callable[[str, str], bool] = _against_none_and_control,
) -> pd.DataFrame:
    """Compare arms, paired by seed.

    Every arm is compared with ``none`` and with random search; WPL also with its rivals; and an arm
    with WPL added, with the arm itself. Some comparisons of the primary outcome in the small space
    are the primary ones: one family over all methods.

    Args:
        runs: As returned by ``outcomes.outcomes``; each case must hold the arm ``none``.
        primary: The primary outcome, declared before the runs.
        outcomes: By name, those of the runs.
        rivals: The arms that WPL is compared with besides ``none``.
        decides: Whether the comparison of an arm with another one is a primary one; by default
            those with ``none``, and of WPL with ``slow``.

    Returns:
        One row per space, method, outcome and pair: the mean difference ``value`` with its 95 %
        bootstrap interval, the difference of each seed, the p-value of a paired sign-flip test and,
        of primary comparisons, Holm's; the smallest difference that this many seeds would show with
        80 % power; the verdict, ``lower``, ``higher`` or ``not shown``.
    """
    rows = []
    for key, of_case in runs[~swept(runs["arm"])].groupby(CASE, sort=False):
        case = dict(zip(CASE, key, strict=True))
        arms = {arm: of_arm.set_index("seed") for arm, of_arm in of_case.groupby("arm")}
        for name, outcome in outcomes.items():
            for arm, other in _pairs(list(arms), rivals):
                one = name == primary and case["space"] == "small" and decides(arm, other)
                row = case | {"outcome": name, "arm": arm, "against": other, "primary": one}
                rows.append(row | {"pair": arms[arm][name] - arms[other][name]})
            for arm in in_order(arms) if outcome.chance else ():
                row = case | {"outcome": name, "arm": arm, "against": RANDOM, "primary": False}
                rows.append(row | {"pair": arms[arm][name] - arms[arm][f"random_{name}"]})
    rows = [row | {"pair": row["pair"].dropna()} for row in rows]
    return _tested([row for row in rows if len(row["pair"])])


def _pairs(arms: list[str], rivals: Sequence[str]) -> Iterator[tuple[str, str]]:
    """List the pairs of arms that are compared."""
    for arm in in_order(arms):
        others = {"none", arm.removesuffix("_wpl")} | ({*rivals} if arm == "wpl" else set())
        yield from ((arm, other) for other in in_order(others & {*arms} - {arm}))


def _tested(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Test each pair, and adjust the p-values of the primary comparisons."""
    table = pd.DataFrame(rows)
    pairs = table.pop("pair")
    zeros = [np.zeros(len(pair)) for pair in pairs]
    table["n"] = [len(pair) for pair in pairs]
    table = table.join(pd.DataFrame([_mean(pair) for pair in pairs]))
    table["p"] = [paired_test(pair, zero) for pair, zero in zip(pairs, zeros, strict=True)]
    table["holm"] = np.nan
    table.loc[table["primary"], "holm"] = holm(table.loc[table["primary"], "p"])
    level = np.where(table["primary"], LEVEL / max(1, table["primary"].sum()), LEVEL)
    table["detectable"] = [
        detectable_difference(pair, zero, level=of)
        for pair, zero, of in zip(pairs, zeros, level, strict=True)
    ]
    shown = table["holm"].fillna(table["p"]) < LEVEL
    direction = np.where(table["value"] < 0, "lower", "higher")
    table["verdict"] = np.where(shown, direction, "not shown")
    return table


def _mean(values: pd.Series) -> dict[str, Any]:
    """Average over seeds; the interval is empty where there are too few seeds."""
    low = high = np.nan
    if len(values) >= FEWEST_SEEDS:
        low, high = bootstrap_interval(lambda v: v.mean(axis=-1), values)
    each = " ".join(f"{value:.4g}" for value in values)
    return {"value": float(values.mean()), "low": low, "high": high, "each": each}


def headline(runs: pd.DataFrame, primary: str) -> dict[str, dict[str, dict[str, float]]]:
    """Pick the few numbers by which experiments are compared first.

    Returns:
        By method and outcome, the mean of each arm in the small space: the primary outcome,
        forgetting, τ and regret; and the test error of what was found in the full space.
    """
    own = runs[~swept(runs["arm"])]
    picked = dict.fromkeys((primary, "forgetting", "tau", "regret"), "small")
    nested: dict[str, dict[str, dict[str, float]]] = {}
    for name, space in (picked | {"test_error": "full"}).items():
        of_space = own[own["space"] == space].dropna(subset=name)
        for (method, arm), values in of_space.groupby(["method", "arm"], sort=False)[name]:
            nested.setdefault(method, {}).setdefault(name, {})[arm] = float(values.mean())
    return nested


def mean_curve(table: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """Average a quantity over seeds, of the first method in the small space.

    Args:
        table: As returned by ``errors.forgetting`` or ``agreement.ranking``.
        quantity: One of its columns.

    Returns:
        Columns arm, epoch and the quantity.
    """
    rows = table[(table["space"] == "small") & (table["method"] == table["method"].iloc[0])]
    rows = rows[~swept(rows["arm"])]
    return rows.groupby(["arm", "epoch"], sort=False, as_index=False)[quantity].mean()
