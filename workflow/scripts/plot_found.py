"""Plot what the searches found against random search: regret, and test perplexity."""

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from figure import band, save
from job import job
from wpl.search.names import ARM_NAMES, METHOD_NAMES

PANELS = {"regret": "regret of what is found, nats", "test_perplexity": "test perplexity"}

with job(snakemake):
    tables = [pd.read_csv(file) for file in snakemake.input]
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for axes, table, (name, title) in zip(panels, tables, PANELS.items(), strict=True):
        chance = table.drop_duplicates("seed").assign(**{name: table[f"random_{name}"]})
        both = pd.concat([table, chance.assign(method="random", arm="random")])
        names = METHOD_NAMES | {"random": "random search"}
        sns.pointplot(
            both.replace({"arm": ARM_NAMES | {"random": "chance"}, "method": names}),
            x=name,
            y="method",
            hue="arm",
            dodge=0.5,
            linestyle="none",
            errorbar=band,
            ax=axes,
        )
        axes.set(xlabel=title, ylabel="")
        axes.set_title("small space" if name == "regret" else "full space, trained alone")
    save(figure, snakemake.output[0])
