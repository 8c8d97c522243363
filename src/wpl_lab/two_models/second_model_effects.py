"""Compare the arms: forgetting of the first model, and accuracy of the second."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wpl.evaluation import (
    FEWEST_SEEDS,
    bootstrap_interval,
    forgetting,
    paired_test,
    reduction,
)
from wpl_lab.arm_choice import BASELINE, in_order
from wpl_lab.two_models.stops import CONVERGED

CASE = ["shared", "stop"]
Floats = NDArray[np.float64]


def final_scores(history: pd.DataFrame) -> pd.DataFrame:
    """Reduce the records to one row per run: first model before and after, second at the end.

    Args:
        history: Records of ``train_second``, for any arms and strengths.

    Returns:
        Columns shared, stop, arm, alpha, own, seed, before, after, second.
    """
    run = [*CASE, "arm", "alpha", "own", "seed"]
    runs = history.sort_values("iteration", kind="stable").groupby(run, sort=False)
    return runs.agg(
        before=("accuracy_first", "first"),
        after=("accuracy_first", "last"),
        second=("accuracy_second", "last"),
    ).reset_index()


def compare(scores: pd.DataFrame) -> pd.DataFrame:
    """Compare every arm, at every strength and in every case, with the baseline, paired by seed.

    Args:
        scores: As returned by ``final_scores``; each case must hold the baseline.

    Returns:
        One row per case, arm and strength. ``forgetting``: accuracy lost by the first model;
        ``reduction``: the share of it that the arm removes; ``second``: accuracy of the second
        model; ``cost``: how much lower that is than with the baseline. Each with the ends
        ``_low`` and ``_high`` of its 95 % bootstrap interval, which is empty for fewer than
        ``wpl.evaluation.FEWEST_SEEDS`` seeds, and with p-values of paired tests against the
        baseline.
    """
    rows = []
    for case, of_case in scores.groupby(CASE, sort=False):
        none = of_case[of_case["arm"] == BASELINE].sort_values("seed")
        for arm in in_order(of_case["arm"]):
            for alpha, of_run in of_case[of_case["arm"] == arm].groupby("alpha"):
                runs = of_run.sort_values("seed")
                row = dict(zip(CASE, case, strict=True)) | {"arm": arm, "alpha": alpha}
                row |= {"own": bool(runs["own"].iloc[0]), "seeds": len(runs)}
                rows.append(row | _against(none, runs))
    return pd.DataFrame(rows)


def metrics(cases: pd.DataFrame) -> dict[str, Any]:
    """Arrange the comparison as nested metrics: shared layers (or a name for them), stop, arm.

    Args:
        cases: Rows of ``compare``, one per case and arm.

    Returns:
        The metrics.
    """
    nested: dict[str, Any] = {}
    for row in cases.drop(columns="own").to_dict("records"):
        shared, stop = row.pop("shared"), row.pop("stop")
        name = shared if isinstance(shared, str) else f"shared{shared}"
        case = nested.setdefault(name, {}).setdefault(stop, {})
        case[row.pop("arm")] = row
    return nested


def headline(cases: pd.DataFrame, shared: int) -> dict[str, dict[str, dict[str, float]]]:
    """Pick the few numbers by which experiments are compared first, for each stop and arm.

    Args:
        cases: As in ``metrics``.
        shared: Number of shared layers.

    Returns:
        For the baseline, the forgetting and the accuracy of the second model; for every other arm,
        the share of the forgetting that it removes, and its cost for the second model.
    """
    return {
        stop: {
            arm: {key: row[key] for key in ("forgetting", "second")}
            if arm == BASELINE
            else {key: row[key] for key in ("reduction", "cost")}
            for arm, row in arms.items()
        }
        for stop, arms in metrics(cases)[f"shared{shared}"].items()
    }


def mean_curves(curves: pd.DataFrame, shared: int) -> pd.DataFrame:
    """Average the accuracies of both models, after the converged first one, over seeds.

    Args:
        curves: Records of ``train_second``, each arm at its own strength.
        shared: Number of shared layers.

    Returns:
        Columns arm, iteration, accuracy_first and accuracy_second, on test data.
    """
    of = curves[(curves["shared"] == shared) & (curves["stop"] == CONVERGED)]
    of = of.sort_values("iteration", kind="stable")
    runs = of.groupby(["arm", "iteration"], sort=False, as_index=False)
    return runs[["accuracy_first", "accuracy_second"]].mean()


def with_interval(name: str, statistic: Callable[..., Any], *samples: Floats) -> dict[str, float]:
    """Compute a statistic of paired samples, and its 95 % interval if there are enough seeds.

    Args:
        name: Name of the statistic.
        statistic: As in ``wpl.evaluation.bootstrap_interval``.
        *samples: As in ``wpl.evaluation.bootstrap_interval``.

    Returns:
        The statistic by its name, and the ends of the interval as ``…_low`` and ``…_high``.
    """
    enough = len(samples[0]) >= FEWEST_SEEDS
    low, high = bootstrap_interval(statistic, *samples) if enough else (math.nan, math.nan)
    return {name: float(statistic(*samples)), f"{name}_low": low, f"{name}_high": high}


def mean(values: Floats) -> Any:
    """Average over seeds.

    Args:
        values: ``(..., seed)``.

    Returns:
        ``(...)``.
    """
    return values.mean(axis=-1)


def _against(none: pd.DataFrame, runs: pd.DataFrame) -> dict[str, float]:
    lost, lost_none = (forgetting(r["before"], r["after"]) for r in (runs, none))
    second, second_none = (r["second"].to_numpy() for r in (runs, none))
    row = {"before": float(runs["before"].mean()), "after": float(runs["after"].mean())}
    row |= with_interval("forgetting", mean, lost)
    row |= with_interval("reduction", reduction, lost, lost_none)
    row |= with_interval("second", mean, second)
    row |= with_interval("cost", mean, second_none - second)
    row["forgetting_p"] = paired_test(lost, lost_none)
    row["cost_p"] = paired_test(second, second_none)
    return row
