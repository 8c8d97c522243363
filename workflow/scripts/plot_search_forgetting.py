"""Plot the forgetting of children by epoch, and by the number of children trained later."""

import matplotlib.pyplot as plt

from figure import curve, integers, legend, save, seeds
from job import job
from wpl_lab.arm_choice import in_order
from wpl_lab.arms import ARMS
from wpl_lab.io.files import load_table
from wpl_lab.search.judging.sweep import swept
from wpl_lab.search.search_names import METHOD_NAMES, POINT_NAMES, space_name

CASE = ["space", "method"]


def panel(axes, table, x, y):
    """Draw every arm."""
    for arm in in_order(table["arm"]):
        curve(axes, table[table["arm"] == arm], x, y, **ARMS[arm].style)
    axes.axhline(0, color="grey", lw=1, ls=":")
    integers(axes)
    if max(map(abs, axes.get_ylim())) > 100:  # a few children explode
        axes.set_yscale("symlog", linthresh=10)
        axes.autoscale_view(scalex=False)  # its limits are those of the linear axis
        axes.yaxis.get_major_locator().set_params(numticks=7)


with job(snakemake):
    unit = POINT_NAMES[snakemake.params.task]
    panels = {"mean_nats": "mean, nats", "mean_points": f"mean, {unit}"}
    panels |= {"best_points": f"the 5 best, {unit}", "max_points": f"maximum, {unit}"}
    by_epoch, by_later = map(load_table, snakemake.input)
    by_epoch, by_later = (table[~swept(table["arm"])] for table in (by_epoch, by_later))
    cases = list(by_epoch.groupby(CASE, sort=False))
    later = dict(list(by_later.groupby(CASE)))
    figure, grid = plt.subplots(
        len(cases), 5, figsize=(15.6, 2.5 * len(cases)), layout="constrained", squeeze=False
    )
    for row, (case, of_case) in zip(grid, cases, strict=True):
        space, method = case
        for axes, (quantity, title) in zip(row, panels.items(), strict=False):
            panel(axes, of_case, "epoch", quantity)
            axes.axvspan(-0.5, snakemake.params.warmup - 0.5, color="grey", alpha=0.12, lw=0)
            axes.set(title=title, xlabel="epoch")
        panel(row[-1], later[case], "later", "nats")
        row[-1].set(title="by later children, nats", xlabel="children trained later in the epoch")
        name = f"{METHOD_NAMES[method]}\n{space_name(space)}, {seeds(of_case)}"
        row[0].set_ylabel(f"{name}\nerr2 − err1")
    legend(figure)
    save(figure, *snakemake.output)
