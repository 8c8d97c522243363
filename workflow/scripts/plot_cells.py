"""Draw the cells that the searches of the first seed found, in the small space and in the full."""

import matplotlib.pyplot as plt
import pandas as pd

from figure import save
from job import job
from wpl_lab.arm_choice import TITLES
from wpl_lab.io.files import load_table
from wpl_lab.search.judging.sweep import swept
from wpl_lab.search.search_names import METHOD_NAMES
from wpl_lab.search.spaces.convolutional import ConvolutionalGenotype
from wpl_lab.search.spaces.drawing import draw_convolutional, draw_recurrent
from wpl_lab.search.spaces.recurrent import RecurrentGenotype


def panels(found, task):
    """Pair a title with a function that draws, for each cell of the found architecture."""
    title = f"{found['space']}, {METHOD_NAMES[found['method']]}, {TITLES[found['arm']]}"
    if task == "text":
        genotype = RecurrentGenotype.parse(found["genotype"])
        return [(title, lambda axes: draw_recurrent(genotype, axes))]
    genotype = ConvolutionalGenotype.parse(found["genotype"])
    cells = {"normal": genotype.normal, "reduction": genotype.reduction}
    if genotype.normal == genotype.reduction:
        cells = {"both cells": genotype.normal}
    return [
        (f"{title}: {name}", lambda axes, cell=cell: draw_convolutional(cell, axes))
        for name, cell in cells.items()
    ]


with job(snakemake):
    tables = [table for table in map(load_table, snakemake.input) if not table.empty]
    found = pd.concat([t[(t["seed"] == t["seed"].min()) & ~swept(t["arm"])] for t in tables])
    drawn = [p for row in found.to_dict("records") for p in panels(row, snakemake.params.task)]
    columns = min(4, len(drawn))
    rows = -(-len(drawn) // columns)
    figure, grid = plt.subplots(
        rows, columns, figsize=(3.6 * columns, 2.6 * rows), layout="constrained", squeeze=False
    )
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, (title, draw) in zip(grid.flat, drawn, strict=False):
        draw(axes)
        axes.set_title(title, fontsize="small")
    figure.suptitle(f"seed {found['seed'].min()}", fontsize="small")
    save(figure, *snakemake.output)
