"""Plot what the searches found against random search: regret, and test error."""

import matplotlib.pyplot as plt

from figure import FEWEST_SEEDS, band, save, seeds
from job import job
from wpl_lab.arm_choice import TITLES, in_order
from wpl_lab.arms import ARMS
from wpl_lab.io.files import load_table
from wpl_lab.search.judging.sweep import swept
from wpl_lab.search.judging.truth import BOUND
from wpl_lab.search.search_names import ERROR_NAMES, METHOD_NAMES


def draw(axes, found, quantity):
    """Draw a row for each method and arm: every seed, the mean and its interval, and chance."""
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
        axes.plot(chance, height, color="black", marker="|", linestyle="none", markersize=14)
    titles = [f"{METHOD_NAMES[method]}, {TITLES[arm]}" for method, arm in rows]
    axes.set_yticks(range(len(rows)), titles)
    axes.invert_yaxis()
    axes.set_title(seeds(found))


with job(snakemake):
    small, full, yardsticks = map(load_table, snakemake.input)
    small = small[(small["space"] == "small") & ~swept(small["arm"])]
    panels = [(small, "regret", "small space: regret of what is found, nats", "random search")]
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
        draw(axes, found, quantity)
        axes.set_xlabel(f"{title}\nblack bar: {match}")
    bound = yardsticks.set_index("score")["regret"][BOUND]
    grid[0, 0].axvline(bound, color="grey", lw=1, ls="--", label=BOUND)
    grid[0, 0].legend()
    save(figure, *snakemake.output)
