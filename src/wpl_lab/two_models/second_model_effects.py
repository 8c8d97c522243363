"""Compare the arms: forgetting of the first model against what the second one learns."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wpl.evaluation import bootstrap_interval, forgetting, paired_test, reduction
from wpl_lab.two_models.arms import CONVERGED

CASE = ["shared", "stop"]
_Floats = NDArray[np.float64]


def headline_runs(history: pd.DataFrame, alphas: Mapping[str, float]) -> pd.DataFrame:
    """Pick the rows at each arm's own strength; an arm without one has the strength 0."""
    return history[history["alpha"] == history["arm"].map(alphas).fillna(0.0)]


def final_scores(history: pd.DataFrame) -> pd.DataFrame:
    """Reduce the records to one row per run: the first model before and after, the second's end.

    Args:
        history: Records of ``train_second``, of any arms and strengths.

    Returns:
        Columns shared, stop, arm, alpha, seed, before, after, second.
    """
    run = [*CASE, "arm", "alpha", "seed"]
    runs = history.sort_values("iteration", kind="stable").groupby(run, sort=False)
    return runs.agg(
        before=("accuracy_first", "first"),
        after=("accuracy_first", "last"),
        second=("accuracy_second", "last"),
    ).reset_index()


def compare(scores: pd.DataFrame) -> pd.DataFrame:
    """Compare every arm at every strength with ``none``, paired by seed, in every case.

    Args:
        scores: As from ``final_scores``; each case must hold the arm ``none``.

    Returns:
        One row per case, arm and strength. ``forgetting``: accuracy lost by the first model;
        ``reduction``: the share of it that the arm removes; ``second``: accuracy of the second
        model; ``cost``: how much lower that is than with ``none``. Each with the ends ``_low`` and
        ``_high`` of its 95 % bootstrap interval; the p-values are of paired tests against none.
    """
    rows = []
    for case, of_case in scores.groupby(CASE, sort=False):
        arms = {
            key: g.sort_values("seed") for key, g in of_case.groupby(["arm", "alpha"], sort=False)
        }
        none = arms["none", 0.0]
        for (arm, alpha), runs in arms.items():
            row = dict(zip(CASE, case, strict=True)) | {"arm": arm, "alpha": alpha}
            rows.append(row | {"seeds": len(runs)} | _against(none, runs))
    return pd.DataFrame(rows)


def metrics(cases: pd.DataFrame) -> dict[str, Any]:
    """Arrange the comparison as nested metrics: shared layers (or a name for them), stop, arm."""
    nested: dict[str, Any] = {}
    for row in cases.to_dict("records"):
        shared, stop = row.pop("shared"), row.pop("stop")
        name = shared if isinstance(shared, str) else f"shared{shared}"
        case = nested.setdefault(name, {}).setdefault(stop, {})
        case[row.pop("arm")] = row
    return nested


def headline(cases: pd.DataFrame, shared: int) -> dict[str, dict[str, float]]:
    """Pick the few numbers by which experiments are compared first, for each stop.

    Returns:
        Forgetting without a remedy, the share of it that WPL removes, and what that costs the
        second model.
    """
    of = metrics(cases)[f"shared{shared}"]
    return {
        stop: {
            "forgetting": arms["none"]["forgetting"],
            "reduction": arms["wpl"]["reduction"],
            "cost": arms["wpl"]["cost"],
        }
        for stop, arms in of.items()
    }


def mean_curves(curves: pd.DataFrame, shared: int) -> pd.DataFrame:
    """Average over seeds how both models fare after the converged first one, a column per arm.

    Args:
        curves: As from ``headline_runs``.
        shared: Number of shared layers.

    Returns:
        Columns iteration, and for each arm first_… and second_…, accuracies on test data.
    """
    of = curves[(curves["shared"] == shared) & (curves["stop"] == CONVERGED)]
    wide = of.pivot_table(
        index="iteration", columns="arm", values=["accuracy_first", "accuracy_second"]
    )
    wide.columns = [f"{score.removeprefix('accuracy_')}_{arm}" for score, arm in wide.columns]
    return wide.reset_index()


def _against(none: pd.DataFrame, runs: pd.DataFrame) -> dict[str, float]:
    lost, lost_none = (forgetting(r["before"], r["after"]) for r in (runs, none))
    second, second_none = (r["second"].to_numpy() for r in (runs, none))
    row = {"before": float(runs["before"].mean()), "after": float(runs["after"].mean())}
    row |= _with_interval("forgetting", _mean, lost)
    row |= _with_interval("reduction", reduction, lost, lost_none)
    row |= _with_interval("second", _mean, second)
    row |= _with_interval("cost", _mean, second_none - second)
    row["forgetting_p"] = paired_test(lost, lost_none)
    row["cost_p"] = paired_test(second, second_none)
    return row


def _mean(values: _Floats) -> Any:
    return values.mean(axis=-1)


def _with_interval(name: str, statistic: Any, *samples: _Floats) -> dict[str, float]:
    low, high = bootstrap_interval(statistic, *samples)
    return {name: float(statistic(*samples)), f"{name}_low": low, f"{name}_high": high}
