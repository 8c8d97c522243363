"""Plot the accuracy of both models while the second trains, by arm and stop of A."""

import matplotlib.pyplot as plt

from figure import curve, legend, save, seeds
from job import job
from wpl_lab.arm_choice import in_order
from wpl_lab.arms import ARMS
from wpl_lab.io.files import load_table
from wpl_lab.two_models.stops import stop_title

MODELS = {"accuracy_first": "test accuracy of A", "accuracy_second": "test accuracy of B"}


def draw(curves):
    """Draw a column of panels for each stop of A: A above, B below, with a line for each arm."""
    cases = list(curves.groupby("stop", sort=False))
    figure, panels = plt.subplots(
        2,
        len(cases),
        figsize=(2.7 * len(cases), 5),
        sharex=True,
        sharey="row",
        squeeze=False,
        layout="constrained",
    )
    for (stop, of_case), column in zip(cases, panels.T, strict=True):
        for (quantity, label), axes in zip(MODELS.items(), column, strict=True):
            for arm in in_order(of_case["arm"]):
                runs = of_case[of_case["arm"] == arm]
                curve(axes, runs, "iteration", quantity, **ARMS[arm].style)
            axes.set_ylabel(label if axes in panels[:, 0] else "")
        start = of_case.loc[of_case["iteration"] == 0, "accuracy_first"].mean()
        column[0].axhline(start, color="grey", lw=1, ls=":")
        column[0].set_title(f"{stop_title(stop)}, {seeds(of_case)}")
        column[1].set_xlabel("iteration of B")
    legend(figure)
    return figure


with job(snakemake):
    curves = load_table(snakemake.input[0], dtype={"stop": str})
    save(draw(curves[curves["shared"] == snakemake.params.shared]), *snakemake.output)
