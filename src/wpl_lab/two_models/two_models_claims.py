"""What may be claimed about two models in sequence: numbers and verdicts from the tables."""

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from wpl_lab.arm_choice import BASELINE, TITLES
from wpl_lab.io.rendering import number
from wpl_lab.two_models.stops import stop_title
from wpl_lab.two_models.two_models_verdicts import SECOND_AT_RETENTION

_NOTHING = "–"
SPLIT = "split"


@dataclass(frozen=True)
class Claims:
    """Numbers and verdicts as documents print them; a dash for an arm or stop that was not run.

    Accuracies are in percent.

    Attributes:
        cases: Rows of ``compare`` at the arms' own strengths, for all cases.
        verdicts: As returned by ``verdicts``.
        shared: Number of shared layers of the headline.
    """

    cases: pd.DataFrame
    verdicts: pd.DataFrame
    shared: int

    def __post_init__(self) -> None:
        """Convert numbers of layers to text, as they are in tables read from files."""
        for name in ("cases", "verdicts"):
            object.__setattr__(self, name, getattr(self, name).astype({"shared": str}))

    @property
    def layers(self) -> list[int]:
        """The numbers of shared layers that were compared."""
        return [int(shared) for shared in self.cases["shared"].unique() if shared != SPLIT]

    @property
    def stops(self) -> list[str]:
        """The stops of the first model, in the order of params.yaml."""
        own = self.cases[self.cases["shared"] == str(self.shared)]
        return list(own["stop"].unique())

    def percent(
        self, column: str, stop: str, arm: str = BASELINE, shared: int | None = None
    ) -> str:
        """Print a share in percent, with its interval if the table has one.

        Args:
            column: A column of ``cases``.
            stop: The stop of the first model.
            arm: The arm.
            shared: Number of shared layers; by default, that of the headline.

        Returns:
            The text.
        """
        row = self._case(stop, arm, shared)
        if row is None or math.isnan(row[column]):
            return _NOTHING
        ends = [row.get(f"{column}_{end}", math.nan) * 100 for end in ("low", "high")]
        interval = f" [{', '.join(number(end, 1) for end in ends)}]"
        return number(row[column] * 100, 1) + ("" if math.isnan(ends[0]) else interval)

    def seeds(self) -> str:
        """Print the number of seeds, or the range of numbers."""
        least, most = self.cases["seeds"].min(), self.cases["seeds"].max()
        return f"{most}" if least == most else f"{least} to {most}"

    def decisions(self) -> list[dict[str, str]]:
        """List the primary claims: case, difference in points, p-value, verdict."""
        return [self._told(row) for row in self._rows(self.verdicts["primary"])]

    def at_equal_retention(self) -> list[dict[str, str]]:
        """List the comparisons of the accuracy of B where two arms protect A equally."""
        pairs = self.verdicts["quantity"] == SECOND_AT_RETENTION
        return [self._told(row) for row in self._rows(pairs)]

    def _rows(self, chosen: pd.Series) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.verdicts[chosen].to_dict("records")
        return rows

    def _told(self, row: dict[str, Any]) -> dict[str, str]:
        split = row["shared"] == SPLIT
        p = row["holm"] if row["primary"] else row["p"]
        verdict = row["verdict"]
        if verdict == "no difference is shown" and math.isfinite(row["detectable"]):
            verdict += f" (n = {row['n']:.0f} would show {row['detectable'] * 100:.1f})"
        return {
            "case": "one network, new classes" if split else stop_title(row["stop"]),
            "arm": TITLES[row["arm"]],
            "against": TITLES[row["against"]],
            "difference": _points(row),
            "p": _NOTHING if math.isnan(p) else f"{p:.3f}",
            "verdict": verdict,
        }

    def _case(self, stop: str, arm: str, shared: int | None) -> pd.Series | None:
        own = self.cases[self.cases["shared"] == str(shared or self.shared)]
        own = own[(own["stop"] == stop) & (own["arm"] == arm)]
        return None if own.empty else own.iloc[0]


def _points(row: dict[str, Any]) -> str:
    """Print a difference of accuracies in points, with its interval if there is one."""
    if math.isnan(row["value"]):
        return _NOTHING
    value, low, high = (
        number(row[name] * 100, 1, signed=True) for name in ("value", "low", "high")
    )
    return value if math.isnan(row["low"]) else f"{value} [{low}, {high}]"
