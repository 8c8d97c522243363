"""Plot the forgetting of A against the cost to B, over the strength of the anchor."""

import math

import matplotlib.pyplot as plt
import numpy as np

from figure import save
from job import job
from wpl_lab.arm_choice import in_order
from wpl_lab.arms import ARMS
from wpl_lab.io.files import load_table
from wpl_lab.two_models.stops import stop_title

LEAST = -1
"""Smallest loss of A, in points, that is drawn to scale; arms that train A further are below it."""
NEAR = 12
"""Labels of α are omitted where points are closer than this many pixels."""


def draw(tradeoff, split):
    """Draw a panel for each stop of A and, if trained, for the split, with a curve for each arm."""
    cases = [(stop_title(stop), case) for stop, case in tradeoff.groupby("stop", sort=False)]
    cases += [("one network, half of the classes each", split)] if len(split) else []
    columns = math.ceil((len(cases) + 1) / 2)
    figure, panels = plt.subplots(
        2, columns, figsize=(3.8 * columns, 6.6), squeeze=False, layout="constrained"
    )
    for (title, case), axes in zip(cases, panels.flat, strict=False):
        axes.axhline(0, color="grey", lw=0.8, ls=":")
        axes.axvline(0, color="grey", lw=0.8, ls=":")
        axes.set_yscale("symlog", linthresh=1, linscale=0.4)
        curves = {
            arm: case[case["arm"] == arm].sort_values("alpha") for arm in in_order(case["arm"])
        }
        for arm, rows in curves.items():
            draw_arm(axes, ARMS[arm], rows)
        ticks = [t for t in (LEAST, 0, 1, 2, 5, 10, 20, 50) if t <= axes.get_ylim()[1]]
        axes.set_yticks(ticks, labels=map(str, ticks))
        axes.minorticks_off()
        axes.set_ylim(bottom=LEAST - 0.4)
        axes.set_title(f"{title}, n = {case['seeds'].max()}")
        axes.set(xlabel="cost to B, points", ylabel="A loses, points")
        for arm, rows in curves.items():
            if ARMS[arm].reference:
                label_strengths(axes, rows)
    for axes in panels.flat[len(cases) :]:
        axes.set_axis_off()
    arms = in_order({*tradeoff["arm"], *split["arm"]})
    handles = [plt.Line2D([], [], **ARMS[arm].style) for arm in arms]
    title = "larger marker: larger α"
    panels.flat[len(cases)].legend(handles=handles, loc="center", labelspacing=0.8, title=title)
    return figure


def points(rows):
    """Compute the positions of an arm's strengths, ``(strength, 2)``."""
    return 100 * np.column_stack([rows["cost"], rows["forgetting"].clip(lower=LEAST / 100)])


def draw_arm(axes, arm, rows):
    """Draw an arm's curve over α, larger markers for larger α."""
    xy = points(rows)
    low, high = (
        100 * rows[[f"cost_{end}", f"forgetting_{end}"]].to_numpy() for end in ("low", "high")
    )
    bars = np.where(xy[:, 1:] > LEAST, [xy - low, high - xy], np.nan)  # (end, strength, 2)
    style = {"color": arm.colour, "elinewidth": 0.5, "alpha": 0.5, "ls": "none"}
    axes.errorbar(*xy.T, xerr=bars[..., 0], yerr=bars[..., 1], **style)
    axes.plot(*xy.T, color=arm.colour, ls=arm.line, lw=1)
    sizes = [6 + 7 * math.log10(max(alpha, 1)) if alpha else 25 for alpha in rows["alpha"]]
    axes.scatter(*xy.T, s=sizes, color=arm.colour, marker=arm.marker, zorder=3)
    gain = -100 * rows["forgetting"].iloc[0]
    if gain > -LEAST:
        axes.annotate(f"A gains {gain:.0f}", xy[0], (5, -2), textcoords="offset points", size=6)


def label_strengths(axes, rows):
    """Label the points of a curve with α, where they are not too close to each other."""
    last = None
    for alpha, xy in zip(rows["alpha"], points(rows), strict=True):
        place = axes.transData.transform(xy)
        if last is None or np.hypot(*(place - last)) > NEAR:
            text = f"α = $10^{{{math.log10(alpha):.0f}}}$" if alpha else "α = 0"
            white = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5}
            axes.annotate(
                text, xy, (4, 4), textcoords="offset points", size=6, zorder=4, bbox=white
            )
            last = place


with job(snakemake):
    save(draw(*(load_table(f, dtype={"stop": str}) for f in snakemake.input)), *snakemake.output)
