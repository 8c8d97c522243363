"""Claims about the arms, each with its number, interval, test and verdict."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from wpl.evaluation import detectable_difference, holm, paired_test
from wpl_lab.arm_choice import BASELINE, TITLES, in_order
from wpl_lab.arms import ARMS
from wpl_lab.two_models.equal_retention import at_retention, trade_off
from wpl_lab.two_models.second_model_effects import CASE, Floats, mean, with_interval

RETAINED = 0.9
"""The share of the forgetting that both arms remove where the second models are compared."""

LEVEL = 0.05
"""The p-value below which a difference counts as shown."""

FORGETTING, SECOND, SECOND_AT_RETENTION = "forgetting", "second", "second at equal retention"
"""Quantities: the accuracy that A loses; the accuracy of B at the arms' own strengths; and where
both arms remove the same share of the forgetting."""

_Row = dict[str, Any]


def verdicts(scores: pd.DataFrame) -> pd.DataFrame:
    """Test every claim: does an arm forget less, at what cost, and which of two arms is better?

    The primary claims are that the arm under study forgets less than no remedy does; their p-values
    are adjusted for the number of cases (Holm). All others are exploratory.

    Args:
        scores: As returned by ``final_scores``, with the baseline in every case.

    Returns:
        A row per claim: its key ``claim``, made of ``shared``, ``stop``, ``quantity``, ``arm`` and
        ``against``; whether it is ``primary``; ``alpha`` and ``against_alpha``, the strengths;
        ``value``, a mean difference of accuracies that is positive in favour of the arm, with its
        interval ``low`` and ``high``, ``p``, ``holm`` (of primary claims) and ``n``; the difference
        ``detectable`` by this number of seeds with 80 % power; and the ``verdict`` in words.
    """
    rows = [
        dict(zip(CASE, case, strict=True)) | row
        for case, of_case in scores.groupby(CASE, sort=False)
        for row in _of_case(of_case)
    ]
    primary = [ARMS[row["arm"]].reference and row["quantity"] == FORGETTING for row in rows]
    level = LEVEL / max(1, sum(primary))
    judged = [
        row | {"primary": first} | _numbers(row.pop("difference"), level if first else LEVEL)
        for row, first in zip(rows, primary, strict=True)
    ]
    table = pd.DataFrame(judged)
    parts = table[[*CASE, "quantity", "arm", "against"]].astype(str)
    table.insert(0, "claim", parts.agg("/".join, axis=1))
    table["holm"] = math.nan
    table.loc[primary, "holm"] = holm(table.loc[primary, "p"])
    table["verdict"] = [_verdict(row) for row in table.to_dict("records")]
    return table.drop(columns="reached", errors="ignore")


def _of_case(scores: pd.DataFrame) -> Iterator[_Row]:
    """Compare the arms at their own strengths with no remedy, and anchors at equal retention."""
    own = scores[scores["own"]].sort_values("seed")
    runs = {arm: own[own["arm"] == arm] for arm in in_order(own["arm"])}
    none = runs.pop(BASELINE)
    for arm, of_arm in runs.items():
        claim = {"arm": arm, "against": BASELINE, "alpha": of_arm["alpha"].iloc[0]}
        kept, second = (of_arm[c].to_numpy() - none[c].to_numpy() for c in ("after", "second"))
        yield claim | {"quantity": FORGETTING, "difference": kept}
        yield claim | {"quantity": SECOND, "difference": second}
    anchored = [arm for arm in runs if ARMS[arm].importance]
    for arm in anchored:
        others = [other for other in anchored if other != arm] if ARMS[arm].reference else []
        yield from (_at_retention(scores, none, arm, other) for other in others)


def _at_retention(scores: pd.DataFrame, none: pd.DataFrame, arm: str, other: str) -> _Row:
    """Compare B where two arms remove the same share of A's forgetting."""
    claim = {"quantity": SECOND_AT_RETENTION, "arm": arm, "against": other, "difference": None}
    before, after = none["before"].mean(), none["after"].mean()
    if before <= after:
        return claim | {"reached": "nothing is forgotten"}
    alphas = [set(scores.loc[scores["arm"] == name, "alpha"]) for name in (arm, other)]
    target = after + RETAINED * (before - after)
    first, second = (
        at_retention(trade_off(scores, name, alphas[0] & alphas[1]), target)
        for name in (arm, other)
    )
    if first and second:
        strengths = {"alpha": first.alpha, "against_alpha": second.alpha}
        return claim | strengths | {"difference": first.second - second.second}
    reached = [TITLES[name] for name, point in ((arm, first), (other, second)) if point]
    return claim | {"reached": f"only {reached[0]} reaches it" if reached else "neither reaches it"}


def _numbers(difference: Floats | None, level: float) -> dict[str, float]:
    if difference is None:
        return dict.fromkeys(("value", "low", "high", "p", "n", "detectable"), math.nan)
    numbers = with_interval("value", mean, difference)
    zero = np.zeros_like(difference)
    return {name.removeprefix("value_"): number for name, number in numbers.items()} | {
        "p": paired_test(difference, zero),
        "n": len(difference),
        "detectable": detectable_difference(difference, zero, level=level),
    }


def _verdict(row: _Row) -> str:
    if isinstance(row.get("reached"), str):
        return str(row["reached"])
    if (row["holm"] if row["primary"] else row["p"]) >= LEVEL:
        return "no difference is shown"
    if row["quantity"] == FORGETTING:
        return "less forgetting" if row["value"] > 0 else "more forgetting"
    return "B is better" if row["value"] > 0 else "B is worse"
