"""Plot err2 against err1, a dot per search: does less forgetting also mean lower errors?"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator

from figure import legend, save, seeds
from job import job
from wpl_lab.arm_choice import in_order
from wpl_lab.arms import ARMS
from wpl_lab.io.files import load_table
from wpl_lab.search.judging.sweep import points, swept
from wpl_lab.search.search_names import METHOD_NAMES, space_name

COLUMNS = 3
"""Largest number of panels beside each other."""


def diagonals(axes):
    """Give both axes the same scale, and draw lines of equal forgetting behind the dots."""
    axes.margins(0.1)
    ends = np.array([axes.get_xlim(), axes.get_ylim()])
    half = max(np.ptp(ends, axis=1)) / 2
    (left, right), (low, high) = np.add(ends.mean(axis=1, keepdims=True), [-half, half])
    axes.set(xlim=(left, right), ylim=(low, high), aspect="equal")
    for lost in MaxNLocator(8).tick_values(low - right, high - left):
        axes.axline((left, left + lost), slope=1, color="grey", lw=0.6, ls=":", zorder=0)
        x = min(right, high - lost)  # where the line leaves the panel
        if left < x and low < x + lost:
            text = f"{lost:+.2g}".replace("-", "−") if lost else "0"  # as on the axes
            beside = {"xytext": (3, 0), "va": "center"} if x == right else {"xytext": (0, 3)}
            beside |= {"textcoords": "offset points", "color": "grey", "size": "x-small"}
            axes.annotate(text, (x, x + lost), **beside)


def draw(axes, runs, strengths):
    """Draw one case: a dot per seed, the mean, and a curve for each arm with several strengths."""
    own = runs[~swept(runs["arm"])]
    for arm in in_order(own["arm"]):
        of_arm, style = own[own["arm"] == arm], ARMS[arm].style
        dots = {"color": style["color"], "marker": style["marker"], "linestyle": "none"}
        axes.plot(of_arm["err1"], of_arm["err2"], **dots, markersize=3, alpha=0.4)
        mean = of_arm[["err1", "err2"]].mean()
        axes.plot(*mean, **dots, markersize=8, markeredgecolor="white", label=style["label"])
        curve = points(runs, arm, strengths.get(arm, float("nan")))
        if not curve.empty:
            curve = curve.groupby("strength")[["err1", "err2"]].mean()
            axes.plot(
                curve["err1"], curve["err2"], color=style["color"], lw=1, ls=style["linestyle"]
            )
            for strength, point in curve.iterrows():
                axes.annotate(f"{strength:g}", tuple(point), color=style["color"], size="x-small")
    diagonals(axes)


with job(snakemake):
    runs = load_table(snakemake.input[0])
    cases = list(runs.groupby(["space", "method"], sort=False))
    columns = min(len(cases), COLUMNS)
    rows = -(-len(cases) // columns)
    size = (3.6 * columns + 1.6, 3.6 * rows)
    figure, grid = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    for axes in grid.flat[len(cases) :]:
        axes.set_axis_off()
    for axes, ((space, method), of_case) in zip(grid.flat, cases, strict=False):
        draw(axes, of_case, snakemake.params.strengths)
        axes.set_title(f"{METHOD_NAMES[method]}, {space_name(space)}, {seeds(of_case)}", pad=14)
        axes.set(xlabel="err1: after its own training, nats", ylabel="err2: at the end, nats")
    legend(figure)
    save(figure, *snakemake.output)
