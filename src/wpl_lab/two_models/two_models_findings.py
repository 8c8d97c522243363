"""Write the findings: the comparison and its verdicts, for and against the loss."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from wpl_lab.arm_choice import BASELINE, TITLES
from wpl_lab.io.rendering import number, table
from wpl_lab.two_models.second_model_effects import CASE
from wpl_lab.two_models.stops import stop_title
from wpl_lab.two_models.two_models_verdicts import RETAINED, SECOND_AT_RETENTION

_Row = Mapping[str, Any]

_ARMS = ("", "α", "A after B", "forgetting removed", "p", "B", "cost to B, points", "p")
_PAIRS = ("against", "α, α of the other", "B, points", "p", "detectable", "verdict")


def findings(cases: pd.DataFrame, verdicts: pd.DataFrame, fisher: Mapping[str, Any]) -> str:
    """Write the findings as Markdown: for each case, the numbers of all arms and the verdicts.

    Args:
        cases: Rows of ``compare`` at the arms' own strengths, for the cases to report.
        verdicts: Rows of ``verdicts``, for the same cases.
        fisher: Kind and number of samples of the Fisher information, without which a strength
            has no meaning.

    Returns:
        A document.
    """
    lines = [
        "# Findings",
        "",
        f"Means over {_range(cases['seeds'])} seeds, 95 % bootstrap intervals, paired sign-flip "
        f"tests. Fisher information: {fisher['kind']}, of {fisher['samples']} samples. The primary "
        "outcome is whether the arm under study forgets less than no remedy does, with p-values "
        "adjusted for the number of cases (Holm); all other comparisons are exploratory, and their "
        "p-values are not adjusted. Detectable: the difference that these seeds would show with "
        "80 % power.",
    ]
    for (shared, stop), of_case in cases.groupby(CASE, sort=False):
        judged = verdicts[(verdicts["shared"] == shared) & (verdicts["stop"] == stop)]
        lines += ["", f"## {_title(shared, stop)}", "", *_case(of_case, judged)]
    return "\n".join(lines) + "\n"


def _case(cases: pd.DataFrame, verdicts: pd.DataFrame) -> list[str]:
    none = cases[cases["arm"] == BASELINE].iloc[0]
    primary = verdicts[verdicts["primary"]].to_dict("records")
    pairs = verdicts[verdicts["quantity"] == SECOND_AT_RETENTION].to_dict("records")
    lines = [
        f"Without a remedy A goes from {none['before']:.1%} to {none['after']:.1%}; B reaches "
        f"{none['second']:.1%}.",
        *(
            f"**{TITLES[row['arm']]}, primary outcome: {row['verdict']}** ({_points(row, 'value')} "
            f"points, adjusted p = {row['holm']:.3f})."
            for row in primary
        ),
        "",
        table(_ARMS, [_arm(row) for row in cases.to_dict("records")]),
    ]
    if pairs:
        arm = TITLES[pairs[0]["arm"]]
        lines += [
            "",
            f"Accuracy of B with {arm} minus that with another anchor, each at the strength at "
            f"which it removes {RETAINED:.0%} of the forgetting:",
            "",
            table(_PAIRS, [_pair(row) for row in pairs]),
        ]
    return lines


def _arm(row: _Row) -> list[str]:
    if row["arm"] == BASELINE:
        return [
            TITLES[row["arm"]],
            "",
            f"{row['after']:.1%}",
            "",
            "",
            f"{row['second']:.1%}",
            "",
            "",
        ]
    return [
        TITLES[row["arm"]],
        f"{row['alpha']:g}" if row["alpha"] else "",
        f"{row['after']:.1%}",
        _points(row, "reduction", unit=" %"),
        f"{row['forgetting_p']:.3f}",
        f"{row['second']:.1%}",
        _points(row, "cost"),
        f"{row['cost_p']:.3f}",
    ]


def _pair(row: _Row) -> list[str]:
    if math.isnan(row["value"]):
        return [TITLES[row["against"]], "", "", "", "", row["verdict"]]
    return [
        TITLES[row["against"]],
        f"{row['alpha']:.3g}, {row['against_alpha']:.3g}",
        _points(row, "value"),
        f"{row['p']:.3f}",
        f"{row['detectable'] * 100:.1f}",
        row["verdict"],
    ]


def _points(row: _Row, name: str, unit: str = "") -> str:
    """Print a share in points, with its interval if there is one."""
    low, high = (
        row[end] * 100
        for end in (("low", "high") if name == "value" else (f"{name}_low", f"{name}_high"))
    )
    interval = "" if math.isnan(low) else f" [{number(low, 1)}, {number(high, 1)}]"
    return f"{number(row[name] * 100, 1)}{unit}{interval}"


def _title(shared: int | str, stop: str) -> str:
    if shared == "split":
        return "One network, A half of the classes and B the others, all weights anchored"
    return f"{stop_title(stop)}, {shared} layers shared"


def _range(counts: pd.Series) -> str:
    least, most = counts.min(), counts.max()
    return f"{most}" if least == most else f"{least} to {most}"
