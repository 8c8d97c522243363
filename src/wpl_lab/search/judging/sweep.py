"""Arms at other strengths than in params.yaml: ``wpl@0.3`` is WPL with α = 0.3."""

import pandas as pd

SEPARATOR = "@"


def swept(arms: pd.Series) -> pd.Series:
    """Tell which runs are points of a sweep over the strength of an arm."""
    return arms.str.contains(SEPARATOR)


def points(runs: pd.DataFrame, arm: str, strength: float) -> pd.DataFrame:
    """Collect the runs of an arm at all strengths, its own included.

    Args:
        runs: Rows with a column ``arm``.
        arm: A name of the table of arms.
        strength: The one in params.yaml, at which the arm runs under its own name.

    Returns:
        Its rows with a column ``strength``, in ascending order; empty if the arm was not swept.
    """
    name, _, value = zip(*runs["arm"].str.partition(SEPARATOR).to_numpy(), strict=True)
    of_arm = runs.assign(strength=pd.to_numeric(pd.Series(value, index=runs.index)))
    of_arm = of_arm[pd.Series(name, index=runs.index) == arm]
    if of_arm["strength"].notna().sum() == 0:
        return of_arm[:0]
    return of_arm.fillna({"strength": strength}).sort_values("strength", kind="stable")
