"""Plot Kendall's τ between shared-weight score and truth over the epochs of a search."""

import seaborn as sns
from matplotlib.ticker import MaxNLocator

from figure import band, save
from job import job
from wpl_lab.io.files import load_table
from wpl_lab.search.search_names import ARM_NAMES, METHOD_NAMES, space_name

with job(snakemake):
    table = load_table(snakemake.input[0])
    table["case"] = table["method"].map(METHOD_NAMES) + ", " + table["space"].map(space_name)
    grid = sns.relplot(
        table.replace({"arm": ARM_NAMES}),
        x="epoch",
        y="tau",
        hue="arm",
        col="case",
        col_wrap=min(3, table["case"].nunique()),
        kind="line",
        errorbar=band,
        height=3.2,
        aspect=1.2,
    )
    for axes in grid.axes.flat:
        axes.axhline(0, color="grey", lw=1, ls=":")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    grid.set_titles("{col_name}")
    grid.set_axis_labels("epoch", "Kendall's τ with the truth")
    save(grid.figure, snakemake.output[0])
