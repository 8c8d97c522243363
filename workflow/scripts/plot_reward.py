"""Plot the reward and the entropy of the controller over its steps."""

import matplotlib.pyplot as plt

from figure import curve, legend, save, seeds
from job import job
from wpl_lab.arm_choice import in_order
from wpl_lab.arms import ARMS
from wpl_lab.io.files import load_table
from wpl_lab.search.judging.sweep import swept
from wpl_lab.search.search_names import space_name

WINDOW = 10
REWARD = {"text": "reward, c/perplexity", "images": "reward, accuracy"}

with job(snakemake):
    labels = {"reward": REWARD[snakemake.params.task], "entropy": "entropy, nats"}
    table = load_table(snakemake.input[0])
    table = table[(table["method"] == "enas") & ~swept(table["arm"])]
    table["step"] = table["step"] // WINDOW * WINDOW
    means = table.groupby(["space", "arm", "seed", "step"], as_index=False)[list(labels)].mean()
    spaces = [space for space in ("small", "full") if space in set(means["space"])]
    figure, grid = plt.subplots(
        len(spaces),
        len(labels),
        figsize=(8.6, 2.6 * len(spaces)),
        layout="constrained",
        squeeze=False,
    )
    for row, space in zip(grid, spaces, strict=True):
        of_space = means[means["space"] == space]
        for axes, (quantity, label) in zip(row, labels.items(), strict=True):
            for arm in in_order(of_space["arm"]):
                own = of_space[of_space["arm"] == arm]
                curve(axes, own, "step", quantity, **ARMS[arm].style)
            axes.set(xlabel="step of the controller", ylabel=label)
            axes.set_title(f"{space_name(space)}, {seeds(of_space)}")
    legend(figure)
    save(figure, *snakemake.output)
