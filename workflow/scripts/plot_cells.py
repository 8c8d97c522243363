"""Draw the cells that the searches of the first seed found, in the small space and in the full."""

import matplotlib.pyplot as plt
import pandas as pd

from figure import save
from job import job
from wpl.files import load_table
from wpl.search.drawing import draw_recurrent
from wpl.search.names import ARM_NAMES, METHOD_NAMES
from wpl.search.recurrent import RecurrentGenotype

with job(snakemake):
    tables = [load_table(file) for file in snakemake.input]
    cells = pd.concat(
        [t[(t["seed"] == t["seed"].min()) & t["arm"].isin(["none", "wpl"])] for t in tables]
    )
    columns = 2
    rows = -(-len(cells) // columns)
    figure, panels = plt.subplots(rows, columns, figsize=(9, 3.2 * rows), squeeze=False)
    for axes in panels.flat:
        axes.set_axis_off()
    for axes, (_, cell) in zip(panels.flat, cells.iterrows(), strict=False):
        draw_recurrent(RecurrentGenotype.parse(cell["genotype"]), axes)
        axes.set_title(f"{cell['space']}, {METHOD_NAMES[cell['method']]}, {ARM_NAMES[cell['arm']]}")
    save(figure, snakemake.output[0])
