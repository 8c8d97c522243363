"""Say in words what the searches showed, for and against the weight plasticity loss."""

import pandas as pd

from wpl_lab.search.search_names import (
    ARM_NAMES,
    ERROR_NAMES,
    METHOD_NAMES,
    POINT_NAMES,
    SearchArm,
    TaskName,
    space_name,
)

SIGNIFICANT = 0.05
"""The p-value below which a difference counts as shown."""


def findings(compared: pd.DataFrame, task: TaskName) -> str:
    """Write the findings as Markdown.

    Args:
        compared: As from ``comparison.compare``.
        task: What was searched for cells of.

    Returns:
        A document.
    """
    least, most = int(compared["seeds"].min()), int(compared["seeds"].max())
    lines = [
        f"# Findings of the architecture searches on {task}",
        "",
        f"Means of {most} seeds (ENAS and uniform sampling of the small space, no remedy and WPL) "
        f"and {least} (others), 95 % bootstrap intervals, paired sign-flip tests, whose p-values "
        f"cannot fall below {2.0 ** (1 - most):.3f} and {2.0 ** (1 - least):.3f}. Forgetting is "
        "that of the second half of the epochs: in the first, everything still gets better.",
    ]
    for (space, method), of_case in compared.groupby(["space", "method"], sort=False):
        rows = {
            (arm, quantity): row.iloc[0]
            for (arm, quantity), row in of_case.groupby(["arm", "quantity"], sort=False)
        }
        arms = [arm for arm in ARM_NAMES if (arm, "mean_nats") in rows]
        sentences = [_forgetting(rows, arm, POINT_NAMES[task]) for arm in arms]
        if ("none", "tau") in rows:
            sentences += [_ranking(rows, arm) for arm in arms]
            unit = "nats of regret; against random search"
            sentences += [_against_chance(rows, arm, "regret", unit) for arm in arms]
        if ("none", "test_error") in rows:
            unit = f"test {ERROR_NAMES[task]}, trained alone; against random cells"
            sentences += [_against_chance(rows, arm, "test_error", unit) for arm in arms]
        title = f"## {METHOD_NAMES[method]}, {space_name(space)}"
        lines += ["", title, "", *(f"- {sentence}" for sentence in sentences)]
    return "\n".join(lines) + "\n"


_Rows = dict[tuple[SearchArm, str], pd.Series]


def _forgetting(rows: _Rows, arm: SearchArm, unit: str) -> str:
    nats, points = rows[arm, "mean_nats"], rows[arm, "mean_points"]
    text = (
        f"{ARM_NAMES[arm]}: while later children are trained, a child's cross-entropy changes by "
        f"{_interval(nats, 'value', 3)} nats ({_interval(points, 'value', 1)} {unit} "
        f"on average, at most {rows[arm, 'peak_points'].value:.1f} in an epoch)"
    )
    if arm == "none":
        return text + "."
    difference = f"{_interval(nats, 'to_none', 3)} nats, p = {nats.to_none_p:.3f}"
    verdict = _verdict(nats, "to_none", "Less forgetting", "More forgetting")
    return f"{text}; against no remedy {difference}. {verdict}"


def _ranking(rows: _Rows, arm: SearchArm) -> str:
    tau = rows[arm, "tau"]
    text = f"{ARM_NAMES[arm]}: at the end τ = {_interval(tau, 'value', 2)} with the truth"
    if arm == "none":
        return text + "."
    return f"{text}; against no remedy {_interval(tau, 'to_none', 2)}, p = {tau.to_none_p:.3f}."


def _against_chance(rows: _Rows, arm: SearchArm, quantity: str, unit: str) -> str:
    row = rows[arm, quantity]
    return (
        f"{ARM_NAMES[arm]}: what is found has {_interval(row, 'value', 3)} {unit} "
        f"{_interval(row, 'to_random', 3)}, p = {row.to_random_p:.3f}. "
        f"{_verdict(row, 'to_random', 'Better than chance', 'Worse than chance')}"
    )


def _verdict(row: pd.Series, name: str, lower: str, higher: str) -> str:
    """Name the direction of a difference, if it is shown."""
    if row[f"{name}_p"] >= SIGNIFICANT:
        return "**No difference is shown.**"
    return f"**{lower if row[name] < 0 else higher}.**"


def _interval(row: pd.Series, name: str, digits: int) -> str:
    sign = "+" if name != "value" else ""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return f"{row[name]:{sign}.{digits}f} [{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"
