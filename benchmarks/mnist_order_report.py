"""Render the page about the order of forgetting on MNIST from its table."""

import pandas as pd

from wpl.evaluation import paired_test

PAPER = {1: 0.81, 2: 0.75, 3: 0.64}
"""Accuracy that A keeps with 1, 2 and 3 shared layers, read off figure 1 of the paper."""

SETTING = ["width", "optimiser", "initial", "stop"]
LEVEL = 0.05
PAGE = """# Does A forget more the more layers it shares?

In figure 1 of the paper, A, a perceptron of four layers on MNIST, keeps an accuracy of about
{paper} with 1, 2 and 3 shared layers when B is trained without a remedy. Does this order appear
here? {settings} of {planned} planned settings were trained, with {seeds} seeds each. They differ
in the width of the hidden layers, the optimiser of both models, their initial weights (`uniform`
in ±1/√fan-in, the default of torch, or He's, which are √6 times as wide, with biases of 0), and
the end of A's training: when its validation accuracy reaches .89, as in the paper, or after all
its steps. A is scored after several numbers of steps of B; in the experiment
([findings](findings.md)), after 1,500.

The order **appears** in a setting if the mean accuracy that A keeps decreases from 1 to 2 to 3
shared layers, and the trend, 1 against 3, has p < {level} in a paired sign-flip test over seeds;
it is **reversed** if the accuracy increases, with the same test. As many settings are tested,
about one in twenty shows a trend by chance; more reliable are the tests of the means over
settings, seed by seed. The steps of B at which A is scored, and this criterion, were chosen after
the first settings had been trained: the results are exploratory, not confirmatory.

## Where the order appears

{counts}

{closest}

{explanation}

## All settings

Means over seeds; {steps}.

{table}

Rendered by `python benchmarks/mnist_order.py` from [order.csv](order.csv), which has one row per
setting, number of shared layers, seed and number of steps of B.
"""
EXPLANATION = """A possible explanation is that the order is an effect of the first steps of B. They
adapt the shared layers to a network that has not learnt anything yet, and A forgets more the more
layers change. Later, B solves the same task as A on the same images: its layers become useful to A
again, and more so the more of them are shared."""


def report(runs: pd.DataFrame, planned: int) -> str:
    """Render the page.

    Args:
        runs: A table with the columns of order.csv.
        planned: The number of planned settings.

    Returns:
        The page in Markdown.
    """
    orders = runs.groupby([*SETTING, "iteration"], sort=False).apply(order).reset_index()
    there = orders[orders["order"] == "appears"]
    distance = sum((there[k] - kept).abs() for k, kept in PAPER.items())
    return PAGE.format(
        paper=_kept(PAPER),
        settings=len(orders.groupby(SETTING)),
        planned=planned,
        seeds=runs["seed"].nunique(),
        level=LEVEL,
        counts=_counts(runs, orders),
        closest=_closest(there.loc[distance.idxmin()]) if len(there) else "It does not appear.",
        explanation=" ".join(EXPLANATION.split("\n")),
        steps=f"A after {' and '.join(map(str, _shown(orders)))} steps of B",
        table=_table(orders),
    )


def order(runs: pd.DataFrame) -> pd.Series:
    """Test whether A keeps less accuracy the more layers it shares, after some steps of B.

    Args:
        runs: Rows of one setting, or of several, which are averaged seed by seed.

    Returns:
        The accuracy of A before and, for each number of shared layers, after; the accuracy of B
        with the largest number; the p-value of the trend; and the order: ``appears``, ``reversed``
        or ``neither``.
    """
    kept = runs.pivot_table(index="seed", columns="shared", values="after")
    means = kept.mean()
    p = paired_test(kept.iloc[:, 0], kept.iloc[:, -1])
    found = "neither"
    if p < LEVEL and means.is_monotonic_decreasing:
        found = "appears"
    elif p < LEVEL and means.is_monotonic_increasing:
        found = "reversed"
    second = runs.loc[runs["shared"] == kept.columns[-1], "second"].mean()
    summary = {"before": runs["before"].mean(), **means.to_dict(), "second": second}
    return pd.Series({**summary, "p": p, "order": found})


def _counts(runs: pd.DataFrame, orders: pd.DataFrame) -> str:
    rows = []
    for key in ("", "width", "optimiser", "initial", "stop"):
        keys = [key, "iteration"] if key else ["iteration"]
        for values, of in runs.groupby(keys):
            pooled = order(of)
            same = orders.set_index(keys).loc[values if key else values[0], "order"]
            count = same.value_counts()
            rows.append(
                [
                    f"{key} {values[0]}" if key else "all",
                    values[-1],
                    _kept({k: pooled[k] for k in PAPER}),
                    f"{pooled['p']:.3f}",
                    *(f"{count.get(o, 0)} of {len(same)}" for o in ("appears", "reversed")),
                ]
            )
    head = ["settings", "steps of B", "mean accuracy of A", "p of the trend"]
    return _markdown([*head, "order appears in", "reversed in"], rows)


def _closest(row: pd.Series) -> str:
    stop = "stopped at .89" if row["stop"] != "converged" else "converged"
    return (
        f"Among the settings in which the order appears, the closest to the paper is: width "
        f"{row['width']}, {row['optimiser']}, initial weights {row['initial']}, A {stop} (accuracy "
        f"{_short(row['before'])}). After {row['iteration']} steps of B, the accuracy of A is "
        f"{_kept({k: row[k] for k in PAPER})} (trend p = {row['p']:.3f}) and that of B "
        f"{_short(row['second'])}."
    )


def _shown(orders: pd.DataFrame) -> list[int]:
    return [orders["iteration"].min(), orders["iteration"].max()]


def _table(orders: pd.DataFrame) -> str:
    shown = _shown(orders)
    head = [*SETTING, "A before"]
    for steps in shown:
        head += [f"A after {steps} steps", "B", "order"]
    rows = []
    for setting, of in orders.groupby(SETTING, sort=False):
        row = [*setting, _short(of["before"].iloc[0])]
        for steps in shown:
            at = of[of["iteration"] == steps].iloc[0]
            found = at["order"] if at["order"] != "neither" else ""
            row += [_kept({k: at[k] for k in PAPER}), _short(at["second"]), found]
        rows.append(row)
    return _markdown(head, rows)


def _kept(after: dict[int, float]) -> str:
    return " / ".join(_short(value) for value in after.values())


def _short(accuracy: float) -> str:
    return f"{accuracy:.2f}".lstrip("0")


def _markdown(head: list[str], rows: list[list[object]]) -> str:
    return "\n".join(
        f"| {' | '.join(map(str, row))} |" for row in (head, ["---"] * len(head), *rows)
    )
