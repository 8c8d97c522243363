"""Plot what the searches found against random search: regret, and test perplexity."""

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from figure import band, save
from job import job
from wpl.files import load_table
from wpl.search.names import ARM_NAMES, METHOD_NAMES

PANELS = {
    "regret": ("small space: regret of what is found, nats", "random search"),
    "test_perplexity": ("full space: test perplexity, trained alone", "random cells"),
}

with job(snakemake):
    figure, panels = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
    for axes, file, quantity in zip(panels, snakemake.input, PANELS, strict=True):
        found, (title, match) = load_table(file), PANELS[quantity]
        found["search"] = found["method"].map(METHOD_NAMES) + ", " + found["arm"].map(ARM_NAMES)
        chance = found[found["arm"] == "none"].drop_duplicates("seed")
        chance = chance.assign(**{quantity: chance[f"random_{quantity}"]}, search=match)
        sns.pointplot(
            pd.concat([found, chance]),
            x=quantity,
            y="search",
            hue="search",
            palette=["C0"] * found["search"].nunique() + ["grey"],
            linestyle="none",
            errorbar=band,
            ax=axes,
        )
        axes.axvline(chance[quantity].mean(), color="grey", lw=1, ls=":")
        axes.set(xlabel=title, ylabel="")
    save(figure, snakemake.output[0])
