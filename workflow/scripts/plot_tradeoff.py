"""Plot what A loses against what B pays, over the strength of the anchor, with the bounds."""

import math

import matplotlib.pyplot as plt
import pandas as pd

from figure import legend, save
from job import job
from wpl_lab.arms import ARMS, in_order
from wpl_lab.io.files import load_table
from wpl_lab.two_models.stops import stop_title

LEAST = -2
"""The least loss of A that is drawn to scale, in points; an arm that trains A further is below."""


def draw(tradeoff, split):
    """Draw a panel for each stop of A and one for the split, a curve for each arm."""
    cases = [(stop_title(stop), case) for stop, case in tradeoff.groupby("stop", sort=False)]
    cases += [("one network: half of the classes each", split)]
    columns = math.ceil(len(cases) / 2)
    figure, panels = plt.subplots(
        2, columns, figsize=(3.6 * columns, 6.4), squeeze=False, layout="constrained"
    )
    for axes in panels.flat[len(cases) :]:
        axes.set_axis_off()
    for (title, case), axes in zip(cases, panels.flat, strict=False):
        axes.axhline(0, color="grey", lw=0.8, ls=":")
        axes.axvline(0, color="grey", lw=0.8, ls=":")
        axes.set_yscale("symlog", linthresh=2, linscale=0.5)
        for arm in in_order(case["arm"]):
            draw_arm(axes, arm, case[case["arm"] == arm].sort_values("alpha"))
        ticks = [t for t in (-2, 0, 2, 5, 10, 20, 50) if t <= axes.get_ylim()[1]]
        axes.set_yticks(ticks, labels=map(str, ticks))
        axes.minorticks_off()
        axes.set_ylim(bottom=LEAST * 1.4)
        axes.set(title=title, xlabel="cost to B, points", ylabel="A loses, points")
    legend(figure, pd.concat([tradeoff, split]))
    return figure


def draw_arm(axes, arm, rows):
    """Draw an arm's curve over α, larger markers for larger α, which its ends are labelled with."""
    style = ARMS[arm].style
    points = 100 * rows[["cost", "forgetting"]].clip(lower=[-math.inf, LEAST / 100])
    bars = {
        axis: [
            100 * (rows[name] - rows[f"{name}_low"]),
            100 * (rows[f"{name}_high"] - rows[name]),
        ]
        for axis, name in (("xerr", "cost"), ("yerr", "forgetting"))
    }
    axes.errorbar(*points.to_numpy().T, **style | {"marker": ""}, **bars, lw=1, elinewidth=0.4)
    exponents = [math.log10(alpha) if alpha else 2 for alpha in rows["alpha"]]
    sizes = [6 + 8 * exponent for exponent in exponents]
    axes.scatter(*points.to_numpy().T, s=sizes, color=style["color"], marker=style["marker"])
    ends = {0, len(rows) - 1} if len(rows) > 1 else set()
    for i in range(len(rows)) if ARMS[arm].reference else ends:
        text = f"$10^{{{exponents[i]:.0f}}}$"
        axes.annotate(text, points.iloc[i], (3, 3), textcoords="offset points", size=5)
    if rows["forgetting"].iloc[0] * 100 < LEAST:
        text = f"A gains {-100 * rows['forgetting'].iloc[0]:.0f}"
        axes.annotate(text, points.iloc[0], (5, 0), textcoords="offset points", size=6)


with job(snakemake):
    save(draw(*(load_table(f, dtype={"stop": str}) for f in snakemake.input)), *snakemake.output)
