"""Plot regret and test error of the found architectures, compared with random search."""

import matplotlib.pyplot as plt

from figure import FEWEST_SEEDS, band, legend, save
from job import job
from wpl_lab.arm_choice import TITLES, in_order
from wpl_lab.arms import ARMS
from wpl_lab.io.files import load_table
from wpl_lab.search.judging.sweep import swept
from wpl_lab.search.judging.truth import BOUND
from wpl_lab.search.search_names import ERROR_NAMES, METHOD_NAMES


def draw(axes, found, quantity, match):
    """Draw a row for each method and arm: seeds, mean with interval, and random search."""
    rows = [(method, arm) for method in found["method"].unique() for arm in in_order(found["arm"])]
    of_search = dict(list(found.groupby(["method", "arm"])))
    rows = [row for row in rows if row in of_search]
    for height, search in enumerate(rows):
        of_seed, style = of_search[search][quantity], ARMS[search[1]].style
        dots = {"color": style["color"], "marker": style["marker"], "linestyle": "none"}
        axes.plot(of_seed, [height] * len(of_seed), **dots, markersize=3, alpha=0.4)
        axes.plot(of_seed.mean(), height, **dots, markersize=8, markeredgecolor="white")
        if len(of_seed) >= FEWEST_SEEDS:
            axes.plot(band(of_seed), [height] * 2, color=style["color"], lw=2)
        chance = of_search[search][f"random_{quantity}"].mean()
        bar = {"color": "black", "marker": "|", "linestyle": "none", "markersize": 14}
        axes.plot(chance, height, **bar, label=match)
    titles = [
        f"{METHOD_NAMES[method]}, {TITLES[arm]}, n = {len(of_search[method, arm])}"
        for method, arm in rows
    ]
    axes.set_yticks(range(len(rows)), titles)
    axes.set_ylim(len(rows) - 0.4, -0.6)


with job(snakemake):
    small, full, yardsticks = map(load_table, snakemake.input)
    small = small[(small["space"] == "small") & ~swept(small["arm"])]
    regret = "small space: regret of the found architecture, nats"
    panels = [(small, "regret", regret, "random search")]
    if not full.empty:
        error = f"full space: test {ERROR_NAMES[snakemake.params.task]}, trained alone"
        panels.append((full, "test_error", error, "random architectures"))
    most = max(len(found.groupby(["method", "arm"])) for found, *_ in panels)
    figure, grid = plt.subplots(
        1,
        len(panels),
        figsize=(5.4 * len(panels), 1.6 + 0.3 * most),
        layout="constrained",
        squeeze=False,
    )
    for axes, (found, quantity, title, match) in zip(grid.flat, panels, strict=True):
        draw(axes, found, quantity, match)
        axes.set_xlabel(title)
    bound = yardsticks.set_index("score")["regret"][BOUND]
    grid[0, 0].axvline(bound, color="grey", lw=1, ls="--", label=BOUND)
    legend(figure)
    save(figure, *snakemake.output)
