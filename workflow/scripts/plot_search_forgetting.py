"""Plot how much worse children get while later ones are trained: mean, best five, maximum."""

import seaborn as sns

from figure import band, save
from job import job
from wpl_lab.io.files import load_table
from wpl_lab.search.search_names import ARM_NAMES, ERROR_NAMES, METHOD_NAMES, space_name

PANELS = {"mean_points": "mean", "best_points": "the 5 best", "max_points": "maximum"}

with job(snakemake):
    unit = ERROR_NAMES[snakemake.params.task]
    panels = {name: f"{title}, {unit}" for name, title in PANELS.items()}
    panels["mean_nats"] = "mean, nats"
    table = load_table(snakemake.input[0])
    table = table[table["arm"].isin(["none", "wpl"])].replace({"arm": ARM_NAMES})
    table["case"] = table["method"].map(METHOD_NAMES) + ", " + table["space"].map(space_name)
    grid = sns.relplot(
        table.melt(["case", "arm", "seed", "epoch"], list(panels), "measure", "difference"),
        x="epoch",
        y="difference",
        hue="arm",
        row="case",
        col="measure",
        kind="line",
        errorbar=band,
        height=2.4,
        aspect=1.2,
        facet_kws={"sharey": False},
    )
    for (case, measure), axes in grid.axes_dict.items():
        axes.axvspan(-0.5, snakemake.params.warmup - 0.5, color="grey", alpha=0.12, lw=0)
        axes.axhline(0, color="grey", lw=1, ls=":")
        if max(map(abs, axes.get_ylim())) > 100:  # a few children explode
            axes.set_yscale("symlog", linthresh=10)
            axes.yaxis.get_major_locator().set_params(numticks=6)
            axes.autoscale_view()
        axes.set_title(f"{case}\n{panels[measure]}", fontsize="small")
    grid.set_axis_labels("epoch", "after − before")
    save(grid.figure, snakemake.output[0])
