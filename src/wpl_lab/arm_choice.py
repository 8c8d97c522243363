"""Choice and order of the arms that take part in a comparison, from the lists in params.yaml."""

import difflib
from collections.abc import Iterable

from wpl_lab.arm import Comparison
from wpl_lab.arms import ARMS

BASELINE = "none"
"""The arm that all others are compared with."""

DEFAULT = "default"
"""In a list of arms in params.yaml: all arms that the table marks for the comparison."""

TITLES = {name: arm.title for name, arm in ARMS.items()}
"""Every arm's title by its name."""


def applicable(comparison: Comparison) -> list[str]:
    """List the arms that can take part in a comparison.

    Args:
        comparison: The comparison.

    Returns:
        Their names, in the order of the table.
    """
    return [arm.name for arm in ARMS.values() if comparison in arm.applies]


def chosen(arms: Iterable[str], comparison: Comparison) -> list[str]:
    """List the arms that take part in a comparison, from a list in params.yaml.

    Args:
        arms: Their names; ``default`` stands for those that the table marks.
        comparison: The comparison.

    Returns:
        Their names, in the order of the table.
    """
    some = {*arms}
    marked = comparison if DEFAULT in some else None
    return [arm.name for arm in ARMS.values() if arm.name in some or marked in arm.default]


def check_arms(
    key: str, arms: Iterable[str], comparison: Comparison, *, baseline: bool = True
) -> None:
    """Check a list of arms in params.yaml.

    Args:
        key: Key in params.yaml, for the error.
        arms: As in ``chosen``.
        comparison: The comparison.
        baseline: Whether a list that is not empty must have the baseline.

    Raises:
        ValueError: If an arm is unknown or cannot take part, or if the baseline is missing.
    """
    there = [*arms]
    valid = [DEFAULT, *applicable(comparison)]
    for name in there:
        if name not in valid:
            near = difflib.get_close_matches(name, valid, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"{key}: {name!r} is not one of the arms {', '.join(valid)}{hint}")
    if baseline and there and BASELINE not in chosen(there, comparison):
        raise ValueError(
            f"{key}: {BASELINE!r} must be one of the arms: others are compared with it"
        )


def in_order(arms: Iterable[str]) -> list[str]:
    """Sort arms in the order of the table, without duplicates.

    Args:
        arms: Their names, for example a column of a table.

    Returns:
        The names.
    """
    some = set(arms)
    return [name for name in ARMS if name in some]
