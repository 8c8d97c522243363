"""Errors of children: right after their training, and after the later ones were trained.

The last child of an epoch cannot forget, as none is trained after it; it is left out everywhere.
"""

import pandas as pd

from wpl_lab.search.judging.keys import BEST, RUN


def split_diverged(children: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Separate the searches that finished from those that diverged.

    Args:
        children: Rows of ``train_children``, with the columns of a run.

    Returns:
        The rows of the searches that finished; and for each that diverged, a row with the run, the
        epoch and the genotype of the child at which it ended.
    """
    ends = children[children["diverged"]]
    left = ends.set_index(RUN).index
    return without(children, left), ends[[*RUN, "epoch", "genotype"]].reset_index(drop=True)


def without(table: pd.DataFrame, runs: pd.Index) -> pd.DataFrame:
    """Leave out the rows of some runs."""
    if table.empty:
        return table
    return table[~table.set_index(RUN).index.isin(runs)].reset_index(drop=True)


def forgetting(children: pd.DataFrame) -> pd.DataFrame:
    """Measure the forgetting of the children, epoch by epoch.

    Args:
        children: Rows of ``train_children``, with the columns of a run.

    Returns:
        One row per run and epoch: the mean err1 and err2 in nats; of the differences err2 − err1
        in nats and error2 − error1 in points of perplexity or of percent, the mean, the median,
        the mean over the children with the lowest err1 and the maximum; and the retention, the
        share of these best ones that are still among the best afterwards.
    """
    table = children[children["later"] > 0]
    table = table.assign(
        nats=table["err2"] - table["err1"], points=table["error2"] - table["error1"]
    )
    rows = []
    for key, epoch in table.groupby([*RUN, "epoch"], sort=False):
        best = epoch.nsmallest(BEST, "err1")
        row = dict(zip([*RUN, "epoch"], key, strict=True))
        row |= {"err1": epoch["err1"].mean(), "err2": epoch["err2"].mean()}
        for unit in ("nats", "points"):
            row[f"mean_{unit}"] = epoch[unit].mean()
            row[f"median_{unit}"] = epoch[unit].median()
            row[f"best_{unit}"] = best[unit].mean()
            row[f"max_{unit}"] = epoch[unit].max()
        still = best.index.intersection(epoch.nsmallest(BEST, "err2").index)
        rows.append(row | {"retention": len(still) / len(best)})
    return pd.DataFrame(rows)


def by_later(children: pd.DataFrame) -> pd.DataFrame:
    """Measure forgetting by the number of children that were trained later in the epoch.

    Args:
        children: As for ``forgetting``.

    Returns:
        One row per run and number ``later``: the mean of err2 − err1 over the second half of the
        epochs, in nats.
    """
    late = second_half(children)
    late = late[late["later"] > 0]
    nats = (late["err2"] - late["err1"]).rename("nats")
    keys = [late[name] for name in (*RUN, "later")]
    return nats.groupby(keys, sort=False).mean().reset_index()


def second_half(table: pd.DataFrame) -> pd.DataFrame:
    """Select the second half of the epochs: in the first, all errors still fall."""
    return table[table["epoch"] >= (table["epoch"].max() + 1) / 2]
