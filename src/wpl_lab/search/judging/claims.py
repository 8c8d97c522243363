"""What may be claimed about the searches of a task: numbers and verdicts from its tables."""

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from wpl_lab.arm_choice import BASELINE, TITLES, in_order
from wpl_lab.io.rendering import number
from wpl_lab.search.judging.outcomes import OUTCOMES
from wpl_lab.search.judging.sweep import swept
from wpl_lab.search.judging.truth import BOUND, CEILING, CHANCE, LONGER, PAIR
from wpl_lab.search.judging.wording import estimate, p_value, verdict
from wpl_lab.search.search_names import METHOD_NAMES, POINT_NAMES, TaskName

_NOTHING = "–"


def words(task: TaskName) -> dict[str, Any]:
    """Collect what templates may use besides the claims.

    Args:
        task: The task that was searched on.

    Returns:
        Titles of arms, methods and outcomes, the unit of points, and the yardsticks.
    """
    return {
        "task": task,
        "titles": TITLES,
        "methods": METHOD_NAMES,
        "outcomes": OUTCOMES,
        "points": POINT_NAMES[task],
        "yardsticks": (CEILING, PAIR, LONGER, BOUND, CHANCE),
    }


@dataclass(frozen=True)
class Claims:
    """Numbers and verdicts as documents print them; a dash for an arm or method that was not run.

    The methods look up an ``outcome`` (a key of ``OUTCOMES``) of an ``arm`` searched by a
    ``method`` in a ``space``, perhaps compared with the arm ``against``.

    Attributes:
        arms: As returned by ``comparison.summaries``.
        verdicts: As returned by ``comparison.comparisons``.
        yardsticks: As returned by ``truth.yardsticks``.
    """

    arms: pd.DataFrame
    verdicts: pd.DataFrame
    yardsticks: pd.DataFrame

    @property
    def primary(self) -> str:
        """The primary outcome."""
        return str(self.arms.loc[self.arms["primary"], "outcome"].iloc[0])

    def methods(self, space: str = "small") -> list[str]:
        """List the methods by which a space was searched."""
        return list(self.arms.loc[self.arms["space"] == space, "method"].unique())

    def remedies(self, method: str, space: str = "small") -> list[str]:
        """List the arms of a method except ``none``, in the order of the table of arms."""
        of_case = self.arms[(self.arms["space"] == space) & (self.arms["method"] == method)]
        own = of_case.loc[~swept(of_case["arm"]), "arm"]
        return [arm for arm in in_order(own) if arm != BASELINE]

    def seeds(self, method: str, arm: str, space: str = "small") -> str:
        """Print how many seeds of an arm finished, and how many diverged."""
        row = self._mean(self.primary, method, arm, space)
        if row is None:
            return _NOTHING
        return f"{row['n']}" + (f", {row['diverged']} diverged" if row["diverged"] else "")

    def mean(self, outcome: str, method: str, arm: str, space: str = "small") -> str:
        """Print the mean of an outcome over seeds, with its interval."""
        row = self._mean(outcome, method, arm, space)
        return _NOTHING if row is None else estimate(row)

    def short(self, outcome: str, method: str, arm: str, space: str = "small") -> str:
        """Print the mean of an outcome over seeds, without its interval."""
        row = self._mean(outcome, method, arm, space)
        return _NOTHING if row is None else number(row["value"], OUTCOMES[outcome].digits)

    def positive(self, outcome: str, method: str, arm: str, space: str = "small") -> str:
        """Print whether the interval of an outcome lies above 0."""
        row = self._mean(outcome, method, arm, space)
        if row is None:
            return _NOTHING
        if not math.isfinite(row["low"]):
            return f"too few seeds ({row['n']})"
        return "yes" if row["low"] > 0 else "not shown"

    def difference(
        self, outcome: str, method: str, arm: str, against: str, space: str = "small"
    ) -> str:
        """Print the difference between two arms, with its interval and p-value."""
        row = self._pair(outcome, method, arm, against, space)
        if row is None:
            return _NOTHING
        p = f"Holm's p {p_value(row['holm'])}" if row["primary"] else f"p {p_value(row['p'])}"
        return f"{estimate(row, signed=True)}, {p}"

    def verdict(
        self, outcome: str, method: str, arm: str, against: str, space: str = "small"
    ) -> str:
        """Print whether the difference between two arms is shown; if not, the detectable one."""
        row = self._pair(outcome, method, arm, against, space)
        return _NOTHING if row is None else verdict(row)

    def random(self, outcome: str, method: str, arm: str, space: str = "small") -> str:
        """Print the outcome of random search, or of a random architecture, for the same work."""
        row = self._mean(outcome, method, arm, space)
        return _NOTHING if row is None else number(row["random"], OUTCOMES[outcome].digits)

    def yardstick(self, score: str, outcome: str) -> str:
        """Print the outcome of a score that needs no search."""
        column = OUTCOMES[outcome].yardstick
        held = self.yardsticks.set_index("score")
        if column is None or score not in held.index:
            return _NOTHING
        return number(held.loc[score, column], OUTCOMES[outcome].digits)

    def decisions(self) -> list[dict[str, str]]:
        """List the primary comparisons: method, arm and against by title, difference, verdict."""
        rows = self.verdicts[self.verdicts["primary"]]
        return [
            {
                "method": row["method"],
                "arm": TITLES[row["arm"]],
                "against": TITLES[row["against"]],
                "n": str(row["n"]),
                "difference": estimate(row, signed=True),
                "p": p_value(row["p"]),
                "holm": p_value(row["holm"]),
                "verdict": verdict(row),
            }
            for _, row in rows.iterrows()
        ]

    def _mean(self, outcome: str, method: str, arm: str, space: str) -> pd.Series | None:
        table = self.arms[(self.arms["outcome"] == outcome) & (self.arms["arm"] == arm)]
        table = table[(table["method"] == method) & (table["space"] == space)]
        return None if table.empty else table.iloc[0]

    def _pair(
        self, outcome: str, method: str, arm: str, against: str, space: str
    ) -> pd.Series | None:
        table = self.verdicts[(self.verdicts["outcome"] == outcome) & (self.verdicts["arm"] == arm)]
        table = table[(table["against"] == against) & (table["method"] == method)]
        table = table[table["space"] == space]
        return None if table.empty else table.iloc[0]
