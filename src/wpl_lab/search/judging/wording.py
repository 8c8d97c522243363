"""Numbers and verdicts as findings and claims print them."""

import math
from collections.abc import Mapping

import pandas as pd

from wpl_lab.io.rendering import number
from wpl_lab.search.judging.outcomes import OUTCOMES, Outcome


def estimate(
    row: pd.Series, *, signed: bool = False, outcomes: Mapping[str, Outcome] = OUTCOMES
) -> str:
    """Print a mean over seeds with its interval, or with the value of each seed where they are few.

    Args:
        row: A row of ``comparison.summaries`` or ``comparison.comparisons``.
        signed: Whether a plus sign is printed.
        outcomes: By name, those of the row.

    Returns:
        For example ``0.087 [0.075, 0.099]`` or ``0.087 (seeds: 0.080, 0.094)``.
    """
    digits = outcomes[row["outcome"]].digits
    value = number(row["value"], digits, signed=signed)
    if math.isfinite(row["low"]):
        ends = (number(row[end], digits, signed=signed) for end in ("low", "high"))
        return f"{value} [{', '.join(ends)}]"
    each = [float(one) for one in str(row["each"]).split()]
    if len(each) == 1:
        return f"{value} (one seed)"
    seeds = ", ".join(number(one, digits, signed=signed) for one in each)
    return f"{value} (seeds: {seeds})"


def p_value(p: float) -> str:
    """Print a p-value with three decimals."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def verdict(row: pd.Series, outcomes: Mapping[str, Outcome] = OUTCOMES) -> str:
    """Print the direction of a difference if it is shown, else the detectable difference.

    Args:
        row: A row of ``comparison.comparisons``.
        outcomes: By name, those of the row.

    Returns:
        For example ``**better**``, ``worse`` or ``not shown (n = 10 shows 0.03)``.
    """
    if row["verdict"] == "not shown":
        if not math.isfinite(row["detectable"]):
            return f"not shown (n = {row['n']} is too few to show any)"
        digits = outcomes[row["outcome"]].digits
        return f"not shown (n = {row['n']} would show {number(row['detectable'], digits)})"
    higher = row["verdict"] == "higher"
    return "**better**" if higher == outcomes[row["outcome"]].higher_is_better else "**worse**"
