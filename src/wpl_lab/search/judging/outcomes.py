"""The outcomes by which searches are compared: one number per search and outcome."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from wpl_lab.search.judging.errors import second_half
from wpl_lab.search.judging.keys import RUN


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A number by which searches are compared.

    Attributes:
        title: What it is, with its unit.
        digits: Decimals that are printed.
        higher_is_better: Whether a higher value is the better one.
        yardstick: Its column in the yardsticks, if it is measured against the ground truth.
        chance: Whether it is also computed for random search, or for a random architecture.
    """

    title: str
    digits: int
    higher_is_better: bool = False
    yardstick: str | None = None
    chance: bool = False


OUTCOMES = {
    "err1": Outcome(title="err1, nats", digits=3),
    "err2": Outcome(title="err2, nats", digits=3),
    "forgetting": Outcome(title="forgetting, nats", digits=3),
    "forgetting_median": Outcome(title="forgetting, median, nats", digits=3),
    "forgetting_points": Outcome(title="forgetting, median, points", digits=2),
    "space_mean": Outcome(title="mean of the space, nats", digits=3),
    "reward": Outcome(title="reward", digits=3, higher_is_better=True),
    "tau": Outcome(title="τ", digits=2, higher_is_better=True, yardstick="tau"),
    "tau_top": Outcome(title="τ, top half", digits=2, higher_is_better=True, yardstick="tau_top"),
    "rho": Outcome(title="ρ", digits=2, higher_is_better=True, yardstick="rho"),
    "precision": Outcome(title="precision", digits=2, higher_is_better=True, yardstick="precision"),
    "regret": Outcome(title="regret, nats", digits=3, yardstick="regret", chance=True),
    "rank": Outcome(title="true rank", digits=1, chance=True),
    "test_error": Outcome(title="test error", digits=1, chance=True),
}
"""Every outcome by its name, in the order in which tables list them.

err1 is the cross-entropy of a child right after its training, err2 the same after all children of
its epoch were trained, and forgetting is err2 − err1: means over the children of the second half of
the epochs, or medians over the children of an epoch. In points only the median is compared: a child
that diverges makes the mean of perplexities meaningless. The others are measured after the last
epoch."""


def outcomes(
    forgetting: pd.DataFrame,
    policy: pd.DataFrame,
    ranking: pd.DataFrame,
    found: pd.DataFrame,
    retrained: pd.DataFrame,
) -> pd.DataFrame:
    """Reduce each run to the numbers that are compared.

    Args:
        forgetting: As returned by ``errors.forgetting``.
        policy: Rows of ``learn``, with the columns of a run; may be empty.
        ranking: As returned by ``agreement.ranking``.
        found: As returned by ``found.against_truth``.
        retrained: As returned by ``found.retrained``.

    Returns:
        One row per run: a column for each of ``OUTCOMES``, and ``random_…`` for those that random
        search has, too; empty where a run has no such outcome, or none that is finite.
    """
    late = second_half(forgetting).groupby(RUN, sort=False).mean(numeric_only=True)
    late = late[["err1", "err2", "mean_nats", "median_nats", "median_points"]]
    late.columns = ["err1", "err2", "forgetting", "forgetting_median", "forgetting_points"]
    with_chance = [name for name, outcome in OUTCOMES.items() if outcome.chance]
    tables = [
        late,
        _last(policy)[["reward"]] if not policy.empty else pd.DataFrame(index=late.index),
        _last(ranking).rename(columns={"mean": "space_mean"}),
        found.set_index(RUN),
        retrained.set_index(RUN),
    ]
    columns = [*OUTCOMES, *(f"random_{name}" for name in with_chance)]
    own = [table[[name for name in columns if name in table]] for table in tables]
    joined = pd.concat(own, axis="columns").reindex(index=late.index, columns=columns)
    return joined.replace([np.inf, -np.inf], np.nan).reset_index()


def _last(table: pd.DataFrame) -> pd.DataFrame:
    """Average each run over the rows of its last epoch."""
    last = table["epoch"] == table["epoch"].max()
    return table[last].drop(columns="epoch").groupby(RUN, sort=False).mean(numeric_only=True)
