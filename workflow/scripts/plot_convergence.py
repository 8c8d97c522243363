"""Plot both models while the second trains, A trained strictly to loosely, with and without WPL."""

import seaborn as sns

from figure import band, save
from job import job
from wpl_lab.io.files import load_table
from wpl_lab.two_models.arms import ARM_NAMES, stop_title

with job(snakemake):
    curves = load_table(snakemake.input[0], dtype={"stop": str})
    curves = curves[curves["shared"] == snakemake.params.shared]
    curves = curves[curves["arm"].isin(["none", "wpl"])].replace({"arm": ARM_NAMES})
    long = curves.rename(columns={"accuracy_first": "A", "accuracy_second": "B"}).melt(
        ["stop", "arm", "seed", "iteration"], ["A", "B"], "model", "accuracy"
    )
    grid = sns.relplot(
        long,
        x="iteration",
        y="accuracy",
        hue="model",
        style="arm",
        col="stop",
        kind="line",
        errorbar=band,
        height=3.2,
        aspect=0.95,
    )
    for stop, axes in grid.axes_dict.items():
        start = curves[(curves["stop"] == stop) & (curves["iteration"] == 0)]
        axes.axhline(start["accuracy_first"].mean(), color="grey", lw=1, ls=":", label="A before")
        axes.set_title(stop_title(stop))
    grid.set_axis_labels("iteration of B", "test accuracy")
    save(grid.figure, snakemake.output[0])
