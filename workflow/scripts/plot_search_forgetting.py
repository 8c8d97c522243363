"""Plot how much worse children get while later ones are trained: mean, best five, maximum."""

import pandas as pd
import seaborn as sns

from figure import band, save
from job import job
from wpl.search.names import ARM_NAMES, METHOD_NAMES

PANELS = {"mean": "mean", "best": "mean of the 5 best", "max": "maximum"}

with job(snakemake):
    table = pd.read_csv(snakemake.input[0])
    table = table[table["arm"].isin(["none", "wpl"])]
    table["case"] = table["method"].map(METHOD_NAMES) + ", " + table["space"] + " space"
    long = table.rename(columns={f"{k}_points": v for k, v in PANELS.items()}).melt(
        ["case", "arm", "seed", "epoch"], list(PANELS.values()), "of", "difference"
    )
    grid = sns.relplot(
        long.replace({"arm": ARM_NAMES}),
        x="epoch",
        y="difference",
        hue="arm",
        row="case",
        col="of",
        kind="line",
        errorbar=band,
        height=2.6,
        aspect=1.3,
        facet_kws={"sharey": False},
    )
    for axes in grid.axes.flat:
        axes.axhline(0, color="grey", lw=1, ls=":")
    grid.set_titles("{row_name}: {col_name}")
    grid.set_axis_labels("epoch", "perplexity after − before")
    save(grid.figure, snakemake.output[0])
