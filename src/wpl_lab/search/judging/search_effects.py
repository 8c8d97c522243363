"""Compare the arms of the searches with each other and with chance, over seeds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from wpl.evaluation import bootstrap_interval, paired_test
from wpl_lab.search.judging.judgement import RUN

CASE = ["space", "method"]


def quantities(
    forgetting: pd.DataFrame,
    policy: pd.DataFrame,
    ranking: pd.DataFrame,
    found: pd.DataFrame,
    retrained: pd.DataFrame,
) -> pd.DataFrame:
    """Reduce each run to the numbers that are compared.

    Forgetting is averaged over the second half of the epochs: in the first everything still gets
    better, whoever is trained.

    Args:
        forgetting: As from ``judgement.forgetting``.
        policy: Rows of ``train_controller``, with the columns of a run.
        ranking: As from ``judgement.ranking``.
        found: As from ``judgement.against_truth``.
        retrained: As from ``judgement.retrained``.

    Returns:
        One row per run and quantity, columns ``quantity``, ``value`` and, where chance is a match
        for it, ``random``.
    """
    half = (forgetting["epoch"].max() + 1) / 2
    later = forgetting[forgetting["epoch"] >= half].groupby(RUN, sort=False)
    measures = [name for name in forgetting if name not in (*RUN, "epoch")]
    tables = [
        later[measures].mean(),
        later[["mean_points"]].max().rename(columns={"mean_points": "peak_points"}),
        _last(policy)[["reward", "entropy"]],
        _last(ranking)[["tau", "rho", "precision"]],
        found.set_index(RUN)[["rank", "regret"]],
        retrained.set_index(RUN)[["test_error"]],
    ]
    chance = pd.concat(
        [
            found.set_index(RUN)[["random_rank", "random_regret"]],
            retrained.set_index(RUN)[["random_test_error"]],
        ]
    )
    chance.columns = chance.columns.str.removeprefix("random_")
    value, random = (_long(t) for t in (pd.concat(tables, axis=0), chance))
    return value.merge(random, how="left", on=[*RUN, "quantity"], suffixes=("", "_random")).rename(
        columns={"value_random": "random"}
    )


def compare(runs: pd.DataFrame) -> pd.DataFrame:
    """Average over seeds, and compare every arm with ``none`` and with chance, paired by seed.

    Args:
        runs: As from ``quantities``; each case must hold the arm ``none``.

    Returns:
        One row per space, method, arm and quantity: the mean over seeds, the difference to
        ``none`` and the difference to random search, each with its 95 % bootstrap interval and,
        for differences, the p-value of a paired test.
    """
    rows = []
    for key, of_case in runs.groupby([*CASE, "quantity"], sort=False):
        arms = {arm: runs.set_index("seed") for arm, runs in of_case.groupby("arm", sort=False)}
        for arm, own in arms.items():
            value, random = own["value"].to_numpy(), own["random"].to_numpy()
            none = arms["none"]["value"][own.index].to_numpy()  # an arm may have fewer seeds
            row = dict(zip([*CASE, "quantity"], key, strict=True))
            row |= {"arm": arm, "seeds": len(own)} | _with_interval("value", value)
            row |= _difference("to_none", value, none)
            if np.isfinite(random).all():
                row |= _difference("to_random", value, random)
            rows.append(row)
    return pd.DataFrame(rows)


def headline(compared: pd.DataFrame, runs: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Pick the few numbers by which experiments are compared first.

    Returns:
        Of the first method: forgetting and τ in the small space, the regret of what is found
        there, the test error of what is found in the full space if it was searched; without a
        remedy, with WPL, and of chance.
    """
    first = compared[compared["method"] == compared["method"].iloc[0]]
    picked = {
        "forgetting_nats": ("small", "mean_nats"),
        "tau": ("small", "tau"),
        "regret": ("small", "regret"),
        "test_error": ("full", "test_error"),
    }
    nested: dict[str, dict[str, float]] = {}
    for name, (space, quantity) in picked.items():
        rows = first[(first["space"] == space) & (first["quantity"] == quantity)]
        rows = rows[rows["arm"].isin(["none", "wpl"])]
        if rows.empty:
            continue
        nested[name] = dict(zip(rows["arm"], rows["value"], strict=True))
        chance = runs[(runs["space"] == space) & (runs["quantity"] == quantity)]["random"]
        if chance.notna().all():
            nested[name]["random"] = float(chance.mean())
    return nested


def mean_curve(table: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """Average a quantity over seeds, of the first method in the small space, a column per arm.

    Args:
        table: As from ``judgement.forgetting`` or ``judgement.ranking``.
        quantity: One of its columns.

    Returns:
        Columns epoch and the arms.
    """
    rows = table[(table["space"] == "small") & (table["method"] == table["method"].iloc[0])]
    return rows.pivot_table(index="epoch", columns="arm", values=quantity, sort=False).reset_index()


def _last(table: pd.DataFrame) -> pd.DataFrame:
    """Average each run over the rows of its last epoch."""
    last = table["epoch"] == table["epoch"].max()
    return table[last].groupby(RUN, sort=False).mean(numeric_only=True)


def _long(table: pd.DataFrame) -> pd.DataFrame:
    long = table.reset_index().melt(RUN, var_name="quantity")
    return long.dropna(subset="value").reset_index(drop=True)


def _difference(name: str, first: Sequence[float], second: Sequence[float]) -> dict[str, float]:
    difference = np.asarray(first) - np.asarray(second)
    return _with_interval(name, difference) | {f"{name}_p": paired_test(first, second)}


def _with_interval(name: str, values: Any) -> dict[str, float]:
    low, high = bootstrap_interval(lambda v: v.mean(axis=-1), values)
    return {name: float(values.mean()), f"{name}_low": low, f"{name}_high": high}
