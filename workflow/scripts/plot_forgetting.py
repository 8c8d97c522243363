"""Plot the first model's accuracy while the second trains, for 1, 2 and 3 shared layers."""

import seaborn as sns

from figure import band, save
from job import job
from wpl_lab.io.files import load_table
from wpl_lab.two_models.arms import ARM_NAMES, CONVERGED

with job(snakemake):
    curves = load_table(snakemake.input[0], dtype={"stop": str})
    curves = curves[(curves["stop"] == CONVERGED) & curves["arm"].isin(["none", "wpl"])]
    grid = sns.relplot(
        curves.replace({"arm": ARM_NAMES}),
        x="iteration",
        y="accuracy_first",
        hue="shared",
        col="arm",
        kind="line",
        errorbar=band,
        palette=sns.color_palette("viridis_r", curves["shared"].nunique()),
        height=3.4,
        aspect=1.15,
    )
    grid.set_titles("{col_name}")
    grid.set_axis_labels("iteration of B", "test accuracy of A")
    grid.legend.set_title("shared layers")
    save(grid.figure, snakemake.output[0])
