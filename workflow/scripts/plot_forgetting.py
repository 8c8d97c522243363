"""Plot the first model's accuracy while the second trains, by arm and number of shared layers."""

import matplotlib.pyplot as plt

from figure import curve, legend, save, seeds
from job import job
from wpl_lab.arm_choice import in_order
from wpl_lab.arms import ARMS
from wpl_lab.io.files import load_table
from wpl_lab.two_models.stops import CONVERGED


def draw(curves):
    """Draw a panel for each number of shared layers, a line for each arm, after A has converged."""
    cases = list(curves[curves["stop"] == CONVERGED].groupby("shared"))
    figure, panels = plt.subplots(
        1,
        len(cases),
        figsize=(3.2 * len(cases), 3),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for (shared, of_case), axes in zip(cases, panels.flat, strict=True):
        for arm in in_order(of_case["arm"]):
            runs = of_case[of_case["arm"] == arm]
            curve(axes, runs, "iteration", "accuracy_first", **ARMS[arm].style)
        title = f"{shared} shared layer{'s' * (shared > 1)}, {seeds(of_case)}"
        axes.set(title=title, xlabel="iteration of B")
    panels[0, 0].set_ylabel("test accuracy of A")
    legend(figure)
    return figure


with job(snakemake):
    save(draw(load_table(snakemake.input[0], dtype={"stop": str})), *snakemake.output)
