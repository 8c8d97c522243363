"""Plot the reward and the entropy of the controller over its steps, with and without WPL."""

import seaborn as sns

from figure import band, save
from job import job
from wpl_lab.io.files import load_table
from wpl_lab.search.search_names import ARM_NAMES

WINDOW = 10
REWARD = {"text": "reward, c/perplexity", "images": "reward, accuracy"}

with job(snakemake):
    labels = {"reward": REWARD[snakemake.params.task], "entropy": "entropy, nats"}
    table = load_table(snakemake.input[0])
    table = table[table["arm"].isin(["none", "wpl"]) & (table["method"] == "enas")]
    table["step"] = table["step"] // WINDOW * WINDOW
    run = ["space", "arm", "seed", "step"]
    means = table.groupby(run, as_index=False)[list(labels)].mean()
    grid = sns.relplot(
        means.melt(run, list(labels), "quantity").replace({"arm": ARM_NAMES}),
        x="step",
        y="value",
        hue="arm",
        row="space",
        row_order=[s for s in ("small", "full") if s in set(means["space"])],
        col="quantity",
        kind="line",
        errorbar=band,
        height=2.6,
        aspect=1.5,
        facet_kws={"sharey": "col"},
    )
    grid.set_titles("{row_name} space")
    grid.set_xlabels("step of the controller")
    for row in grid.axes:
        for axes, label in zip(row, labels.values(), strict=True):
            axes.set_ylabel(label)
    save(grid.figure, snakemake.output[0])
