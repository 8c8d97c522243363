"""Plot what the searches found against random search: regret, and test error."""

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from figure import band, save
from job import job
from wpl_lab.io.files import load_table
from wpl_lab.search.search_names import ARM_NAMES, ERROR_NAMES, METHOD_NAMES

with job(snakemake):
    small, full = map(load_table, snakemake.input)
    error = f"full space: test {ERROR_NAMES[snakemake.params.task]}, trained alone"
    small = small[small["space"] == "small"]
    regret = "small space: regret of what is found, nats"
    panels = [(small, "regret", regret, "random search")]
    if not full.empty:
        panels.append((full, "test_error", error, "random cells"))
    figure, grid = plt.subplots(
        1, len(panels), figsize=(5 * len(panels), 3.4), layout="constrained", squeeze=False
    )
    for axes, (found, quantity, title, match) in zip(grid.flat, panels, strict=True):
        search = found["method"].map(METHOD_NAMES) + ", " + found["arm"].map(ARM_NAMES)
        chance = found[found["arm"] == "none"].drop_duplicates("seed")
        chance = chance.assign(**{quantity: chance[f"random_{quantity}"]}, search=match)
        shown = pd.concat([found.assign(search=search), chance])
        sns.pointplot(
            shown,
            x=quantity,
            y="search",
            hue="search",
            palette=["C0"] * search.nunique() + ["grey"],
            linestyle="none",
            errorbar=band,
            ax=axes,
        )
        axes.axvline(chance[quantity].mean(), color="grey", lw=1, ls=":")
        axes.set(xlabel=title, ylabel="")
    save(figure, snakemake.output[0])
