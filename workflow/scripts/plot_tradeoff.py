"""Plot what A keeps against what B learns, over the strength of the anchor, with the bounds."""

import matplotlib.pyplot as plt

from figure import save
from job import job
from wpl_lab.io.files import load_table
from wpl_lab.two_models.arms import ARM_NAMES, stop_title

with job(snakemake):
    table, split = (load_table(file, dtype={"stop": str}) for file in snakemake.input)
    cases = [(stop_title(stop), case) for stop, case in table.groupby("stop", sort=False)]
    cases += [("one network: half of the classes each", split)]
    figure, panels = plt.subplots(
        1, len(cases), figsize=(3.2 * len(cases), 4), squeeze=False, layout="constrained"
    )
    handles = {}
    for (title, rows_of_case), axes in zip(cases, panels[0], strict=True):
        case = rows_of_case.sort_values("alpha")
        for place, arm in enumerate(ARM_NAMES):
            rows = case[case["arm"] == arm]
            if rows.empty:
                continue
            handles[ARM_NAMES[arm]] = axes.errorbar(
                rows["second"],
                rows["after"],
                xerr=[rows["second"] - rows["second_low"], rows["second_high"] - rows["second"]],
                yerr=[
                    rows["forgetting_high"] - rows["forgetting"],
                    rows["forgetting"] - rows["forgetting_low"],
                ],
                # WPL with and without a floor are one colour, the former dashed.
                color="C1" if arm == "floor" else f"C{place}",
                ls="--" if arm == "floor" else "-",
                marker="o" if len(rows) > 1 else "s",
                markersize=4,
                lw=1.2,
                elinewidth=0.4,
            )
        axes.axhline(case["before"].iloc[0], color="grey", lw=1, ls=":")
        axes.set_title(title)
        axes.set_xlabel("test accuracy of B")
    panels[0][0].set_ylabel("test accuracy of A after B")
    shown = {
        ARM_NAMES[arm]: handles[ARM_NAMES[arm]] for arm in ARM_NAMES if ARM_NAMES[arm] in handles
    }
    figure.legend(shown.values(), shown, loc="outside lower center", ncols=5, frameon=False)
    save(figure, snakemake.output[0])
