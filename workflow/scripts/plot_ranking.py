"""Plot Kendall's τ between shared-weight score and ground truth over the epochs of a search."""

import matplotlib.pyplot as plt

from figure import curve, integers, legend, save, seeds
from job import job
from wpl_lab.arm_choice import in_order
from wpl_lab.arms import ARMS
from wpl_lab.io.files import load_table
from wpl_lab.search.judging.sweep import swept
from wpl_lab.search.judging.truth import BOUND, CEILING, CHANCE
from wpl_lab.search.search_names import METHOD_NAMES, space_name

HELD_AGAINST = {CEILING: "-", BOUND: "--", CHANCE: ":"}

with job(snakemake):
    table, yardsticks = map(load_table, snakemake.input)
    taus = yardsticks.set_index("score")["tau"]
    cases = list(table[~swept(table["arm"])].groupby(["space", "method"], sort=False))
    figure, grid = plt.subplots(
        1,
        len(cases),
        figsize=(3.2 * len(cases) + 2, 3.2),
        layout="constrained",
        squeeze=False,
        sharey=True,
    )
    for axes, ((space, method), of_case) in zip(grid.flat, cases, strict=True):
        for arm in in_order(of_case["arm"]):
            curve(axes, of_case[of_case["arm"] == arm], "epoch", "tau", **ARMS[arm].style)
        for score, line in HELD_AGAINST.items():
            axes.axhline(taus[score], color="grey", lw=1, ls=line, label=score)
        integers(axes)
        axes.set_title(f"{METHOD_NAMES[method]}, {space_name(space)}, {seeds(of_case)}")
        axes.set_xlabel("epoch")
    grid[0, 0].set_ylabel("Kendall's τ with the truth")
    legend(figure)
    save(figure, *snakemake.output)
