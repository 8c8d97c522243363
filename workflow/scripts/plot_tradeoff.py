"""Plot what A keeps against what B learns, over the strength of the anchor, with the bounds."""

import matplotlib.pyplot as plt
import pandas as pd

from figure import save
from job import job
from wpl.two_models.names import ARM_NAMES, stop_title

with job(snakemake):
    table = pd.read_csv(snakemake.input[0], dtype={"stop": str})
    stops = table["stop"].unique()
    figure, panels = plt.subplots(
        1, len(stops), figsize=(3.4 * len(stops), 3.4), squeeze=False, layout="constrained"
    )
    for stop, axes in zip(stops, panels[0], strict=True):
        case = table[table["stop"] == stop].sort_values("alpha")
        for color, arm in enumerate(a for a in ARM_NAMES if a in set(case["arm"])):
            rows = case[case["arm"] == arm]
            axes.errorbar(
                rows["second"],
                rows["after"],
                xerr=[rows["second"] - rows["second_low"], rows["second_high"] - rows["second"]],
                yerr=[
                    rows["forgetting_high"] - rows["forgetting"],
                    rows["forgetting"] - rows["forgetting_low"],
                ],
                color=f"C{color}",
                marker="o" if len(rows) > 1 else "s",
                markersize=4,
                lw=1.2,
                elinewidth=0.6,
                label=ARM_NAMES[arm],
            )
        axes.axhline(case["before"].iloc[0], color="grey", lw=1, ls=":")
        axes.set_title(stop_title(stop))
        axes.set_xlabel("test accuracy of B")
    panels[0][0].set_ylabel("test accuracy of A after B")
    handles = panels[0][0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=len(ARM_NAMES), frameon=False)
    save(figure, snakemake.output[0])
