"""Plot the reward and the entropy of the controller over its steps, with and without WPL."""

import pandas as pd
import seaborn as sns

from figure import band, save
from job import job
from wpl.search.names import ARM_NAMES

WINDOW = 10

with job(snakemake):
    table = pd.read_csv(snakemake.input[0])
    table = table[table["arm"].isin(["none", "wpl"])]
    table["step"] = table["step"] // WINDOW * WINDOW
    run = ["space", "arm", "seed", "step"]
    means = table.groupby(run, as_index=False)[["reward", "entropy"]].mean()
    long = means.melt(run, ["reward", "entropy"], "quantity")
    grid = sns.relplot(
        long.replace({"arm": ARM_NAMES}),
        x="step",
        y="value",
        hue="arm",
        row="quantity",
        col="space",
        kind="line",
        errorbar=band,
        height=2.6,
        aspect=1.5,
        facet_kws={"sharey": False},
    )
    grid.set_titles("{col_name} space")
    grid.set_xlabels("step of the controller")
    for quantity, row in zip(["reward, c/perplexity", "entropy, nats"], grid.axes, strict=True):
        row[0].set_ylabel(quantity)
    save(grid.figure, snakemake.output[0])
