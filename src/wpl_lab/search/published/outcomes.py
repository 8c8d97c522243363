"""The outcomes by which searches with a published ground truth are compared."""

from collections.abc import Sequence

import pandas as pd

from wpl_lab.search.judging.errors import second_half
from wpl_lab.search.judging.keys import RUN
from wpl_lab.search.judging.outcomes import Outcome

OWN = {
    "err1": Outcome(title="err1, nats", digits=3),
    "err2": Outcome(title="err2, nats", digits=3),
    "forgetting": Outcome(title="forgetting, nats", digits=3),
    "space_mean": Outcome(title="mean of the ranked, nats", digits=3),
    "tau": Outcome(title="τ", digits=3, higher_is_better=True),
    "tau_top": Outcome(title="τ, top half", digits=3, higher_is_better=True),
    "rho": Outcome(title="ρ", digits=3, higher_is_better=True),
    "precision": Outcome(title="precision, top 10 %", digits=3, higher_is_better=True),
    "regret": Outcome(title="regret of the best ranked, points", digits=2),
    "found_regret": Outcome(title="regret of the found, points", digits=2, chance=True),
    "found_rank": Outcome(title="rank of the found", digits=0),
}
"""Outcomes on the data set of the search. err1, err2 and forgetting are means over the second half
of the epochs, as for all searches; the others are measured after the last epoch."""


def outcomes_of(others: Sequence[str]) -> dict[str, Outcome]:
    """List the outcomes, by name.

    Args:
        others: The further data sets of the truth.

    Returns:
        Those of ``OWN``; for each of the other data sets, τ and the regret of the found
        architecture.
    """
    carried = {}
    for data in others:
        carried[f"tau_{data}"] = Outcome(title=f"τ, {data}", digits=3, higher_is_better=True)
        carried[f"found_regret_{data}"] = Outcome(
            title=f"regret of the found, {data}, points", digits=2
        )
    return OWN | carried


def outcomes(
    forgetting: pd.DataFrame, ranking: pd.DataFrame, found: pd.DataFrame, names: Sequence[str]
) -> pd.DataFrame:
    """Reduce each run to the numbers that are compared.

    Args:
        forgetting: As returned by ``errors.forgetting``.
        ranking: As returned by ``judge.ranking``.
        found: As returned by ``judge.found_in_truth``.
        names: Names of the outcomes.

    Returns:
        One row per run: the columns of a run, one for each outcome, and ``random_found_regret``.
    """
    late = second_half(forgetting).groupby(RUN, sort=False).mean(numeric_only=True)
    late = late[["err1", "err2", "mean_nats"]].rename(columns={"mean_nats": "forgetting"})
    last = ranking[ranking["epoch"] == ranking["epoch"].max()]
    of_data = {data: own.set_index(RUN) for data, own in last.groupby("data", sort=False)}
    first = next(iter(of_data))
    tables = [late, of_data[first].rename(columns={"mean": "space_mean"}), found.set_index(RUN)]
    joined = pd.concat(tables, axis="columns")
    for data, own in of_data.items():
        joined[f"tau_{data}"] = own["tau"]
    return joined[[*names, "random_found_regret"]].reset_index()
