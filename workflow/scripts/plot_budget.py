"""Plot the agreement of shared-weight scores with a published ground truth over the epochs."""

import matplotlib.pyplot as plt

from figure import curve, legend, save, seeds
from job import job
from wpl_lab.arm_choice import in_order
from wpl_lab.arms import ARMS
from wpl_lab.io.files import load_table
from wpl_lab.search.judging.sweep import swept
from wpl_lab.search.judging.truth import CEILING, CHANCE
from wpl_lab.search.published.yardsticks import PARAMETERS
from wpl_lab.search.search_names import METHOD_NAMES

PANELS = {
    "tau": "Kendall's τ",
    "tau_top": "Kendall's τ in the better half",
    "rho": "Spearman's ρ",
    "precision": "precision in the top 10 %",
    "regret": "regret of the best ranked, points",
}
HELD_AGAINST = {CEILING: "-", PARAMETERS: "--", CHANCE: ":"}

with job(snakemake):
    table, yardsticks = map(load_table, snakemake.input)
    first = table["data"].iloc[0]
    own = table[(table["data"] == first) & ~swept(table["arm"])]
    held = yardsticks[yardsticks["data"] == first].set_index("score")
    cases = list(own.groupby("method", sort=False))
    figure, grid = plt.subplots(
        len(cases),
        len(PANELS),
        figsize=(2.6 * len(PANELS), 2.6 * len(cases) + 0.8),
        layout="constrained",
        squeeze=False,
    )
    for row, (method, of_case) in zip(grid, cases, strict=True):
        for axes, (measure, title) in zip(row, PANELS.items(), strict=True):
            for arm in in_order(of_case["arm"]):
                of_arm = of_case[of_case["arm"] == arm]
                curve(axes, of_arm, "epochs", measure, **ARMS[arm].style)
            for score, line in HELD_AGAINST.items():
                if score in held.index:
                    axes.axhline(held.loc[score, measure], color="grey", lw=1, ls=line, label=score)
            ticks = sorted(of_case["epochs"].unique())
            axes.set_xscale("log", base=2)
            axes.set_xticks(ticks, map(str, ticks))
            axes.set_title(title)
            axes.set_xlabel("epochs")
        row[0].set_ylabel(f"{METHOD_NAMES[method]}, {seeds(of_case)}")
    legend(figure)
    save(figure, *snakemake.output)
