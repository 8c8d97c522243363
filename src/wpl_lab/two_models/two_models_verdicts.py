"""What is claimed of the arms, each claim with its number, interval, test and verdict."""

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from wpl.evaluation import detectable_difference, forgetting, holm, paired_test
from wpl_lab.arms import ARMS, BASELINE, in_order
from wpl_lab.two_models.equal_retention import at_retention, trade_off
from wpl_lab.two_models.second_model_effects import CASE, Floats, mean, with_interval

RETAINED = 0.9
"""The share of the forgetting that arms remove where the second model is compared."""

LEVEL = 0.05
"""The p-value below which a difference counts as shown."""

_Row = dict[str, Any]


def verdicts(scores: pd.DataFrame) -> pd.DataFrame:
    """Judge every claim: does an arm forget less, what does that cost, which of two is better?

    The primary outcome is whether the reference arm forgets less than no remedy does: its p-values
    are adjusted for the number of cases (Holm). All other claims are exploratory.

    Args:
        scores: As from ``final_scores``, with the baseline in every case.

    Returns:
        A row per claim: its key ``claim``, its parts ``shared``, ``stop``, ``quantity``, ``arm``,
        ``against``; whether it is ``primary``; ``alpha``, the arm's strength, and
        ``against_alpha``; ``value``, a mean difference of accuracies, in favour of the arm if it is
        positive, with ``low``, ``high``, ``p``, ``n``; ``detectable``, the difference that so many
        seeds would show with 80 % power; and the ``verdict`` in a few words.
    """
    rows = [
        dict(zip(CASE, case, strict=True)) | row
        for case, of_case in scores.groupby(CASE, sort=False)
        for row in _of_case(of_case)
    ]
    table = pd.DataFrame(rows)
    parts = table[[*CASE, "quantity", "arm", "against"]].astype(str)
    table.insert(0, "claim", parts.agg("/".join, axis=1))
    reference = table["arm"].map(lambda arm: ARMS[arm].reference)
    primary = reference & (table["quantity"] == "forgetting")
    table.insert(1, "primary", primary)
    table.loc[primary, "p"] = holm(table.loc[primary, "p"].to_numpy())
    table["verdict"] = [row["verdict"] or _verdict(row) for row in table.to_dict("records")]
    return table


def _of_case(scores: pd.DataFrame) -> Iterator[_Row]:
    own = scores[scores["own"]]
    none = _runs(own, BASELINE)
    there = in_order(set(own["arm"]) - {BASELINE})
    for arm in there:
        runs = _runs(own, arm)
        alpha = {"alpha": runs["alpha"].iloc[0]}
        lost, lost_none = (forgetting(r["before"], r["after"]) for r in (runs, none))
        second, second_none = (r["second"].to_numpy() for r in (runs, none))
        yield alpha | _claim("forgetting", arm, BASELINE, lost_none, lost)
        yield alpha | _claim("second", arm, BASELINE, second, second_none)
    anchored = [arm for arm in there if ARMS[arm].importance]
    for reference in (arm for arm in anchored if ARMS[arm].reference):
        for other in (arm for arm in anchored if arm != reference):
            yield _at_equal_retention(scores, reference, other)


def _at_equal_retention(scores: pd.DataFrame, arm: str, other: str) -> _Row:
    """Compare B where two arms remove the same share of A's forgetting."""
    claim = {"quantity": "second at equal retention", "arm": arm, "against": other}
    none = scores[scores["arm"] == BASELINE]
    before, after = none["before"].mean(), none["after"].mean()
    if before <= after:
        return claim | _nothing("nothing is forgotten", len(none))
    tried = [set(scores.loc[scores["arm"] == name, "alpha"]) for name in (arm, other)]
    curves = [trade_off(scores, name, tried[0] & tried[1]) for name in (arm, other)]
    points = [at_retention(curve, after + RETAINED * (before - after)) for curve in curves]
    first, second = points
    if first is None or second is None:
        reach = [n for n, p in zip((arm, other), points, strict=True) if p is not None]
        return claim | _nothing(f"only {reach[0]} reaches it" if reach else "neither", len(none))
    strengths = {"alpha": first.alpha, "against_alpha": second.alpha}
    return strengths | _claim(claim["quantity"], arm, other, first.second, second.second)


def _claim(quantity: str, arm: str, against: str, better: Floats, worse: Floats) -> _Row:
    return {
        "quantity": quantity,
        "arm": arm,
        "against": against,
        **{
            k.removeprefix("value_"): v
            for k, v in with_interval("value", mean, better - worse).items()
        },
        "p": paired_test(better, worse),
        "n": len(better),
        "detectable": detectable_difference(better, worse),
        "verdict": "",
    }


def _nothing(verdict: str, n: int) -> _Row:
    """Say why there is no number."""
    numbers = dict.fromkeys(("value", "low", "high", "p", "detectable"), math.nan)
    return {**numbers, "n": n, "verdict": verdict}


def _verdict(row: _Row) -> str:
    if row["p"] >= LEVEL:
        return "no difference is shown"
    if row["quantity"] == "forgetting":
        return "less forgetting" if row["value"] > 0 else "more forgetting"
    return "B is better" if row["value"] > 0 else "B is worse"


def _runs(own: pd.DataFrame, arm: str) -> pd.DataFrame:
    return own[own["arm"] == arm].sort_values("seed")
