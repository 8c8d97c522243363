"""Plot how good the found architectures are in the truth of each data set, and random search."""

import matplotlib.pyplot as plt
import numpy as np

from figure import band, legend, save, seeds
from job import job
from wpl.evaluation import FEWEST_SEEDS
from wpl_lab.arm_choice import in_order
from wpl_lab.arms import ARMS
from wpl_lab.io.files import load_table
from wpl_lab.search.judging.sweep import swept
from wpl_lab.search.published.findings import DATA_NAMES
from wpl_lab.search.published.yardsticks import PARAMETERS
from wpl_lab.search.search_names import METHOD_NAMES


def dots(axes, found, column):
    """Draw a row for each method and arm: a dot for each search, the mean, its interval."""
    rows = list(found.groupby(["method", "arm"], sort=False))
    for row, ((_, arm), of_arm) in enumerate(rows):
        style = ARMS[arm].style
        look = {"color": style["color"], "marker": style["marker"], "linestyle": "none"}
        values = of_arm[column].dropna()
        axes.plot(values, np.full(len(values), row), **look, markersize=3, alpha=0.4)
        axes.plot(values.mean(), row, **look, markersize=8, markeredgecolor="white")
        if len(values) >= FEWEST_SEEDS:
            axes.plot(band(values), [row, row], color=style["color"], lw=1.5)
    names = [f"{ARMS[arm].title}\n{METHOD_NAMES[method]}" for (method, arm), _ in rows]
    axes.set_yticks(range(len(rows)), names)
    axes.set_ylim(len(rows) - 0.5, -0.5)


with job(snakemake):
    found, random, yardsticks = map(load_table, snakemake.input)
    found = found[~swept(found["arm"])]
    found = found.set_index("arm").loc[in_order(found["arm"])].reset_index()
    names = list(yardsticks["data"].unique())
    figure, grid = plt.subplots(
        1, len(names) + 1, figsize=(3 * len(names) + 3.4, 3.2), layout="constrained"
    )
    for number, (axes, data) in enumerate(zip(grid, names, strict=False)):
        dots(axes, found, "found_regret" + f"_{data}" * (number > 0))
        held = yardsticks[yardsticks["data"] == data].set_index("score")["regret"]
        if PARAMETERS in held:
            axes.axvline(held[PARAMETERS], color="grey", lw=1, ls="--", label=PARAMETERS)
        axes.set_title(f"{DATA_NAMES.get(data, data)}, {seeds(found)}")
        axes.set_xlabel("regret, points")
        if number:
            axes.set_yticklabels([])
    axes = grid[-1]
    axes.plot(random["k"], random["regret"], color="black", label="random search, expected")
    for arm in in_order(found["arm"]):
        own = found[found["arm"] == arm]
        style = ARMS[arm].style | {"linestyle": "none"}
        axes.plot(own["trainings"].mean(), own["found_regret"].mean(), markersize=7, **style)
    axes.set_xscale("log")
    axes.set_title("Random search")
    axes.set(xlabel="cost in trainings of the benchmark", ylabel="regret, points")
    legend(figure)
    save(figure, *snakemake.output)
