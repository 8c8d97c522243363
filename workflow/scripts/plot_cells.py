"""Draw the cells that the searches of the first seed found, in the small space and in the full."""

import matplotlib.pyplot as plt
import pandas as pd

from figure import save
from job import job
from wpl_lab.io.files import load_table
from wpl_lab.search.search_names import ARM_NAMES, METHOD_NAMES
from wpl_lab.search.spaces.convolutional import ConvolutionalGenotype
from wpl_lab.search.spaces.drawing import draw_convolutional, draw_recurrent
from wpl_lab.search.spaces.recurrent import RecurrentGenotype


def panels(found, task):
    """Give a title and a function that draws for each cell of what was found."""
    title = f"{found['space']}, {METHOD_NAMES[found['method']]}, {ARM_NAMES[found['arm']]}"
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
    found = pd.concat(
        [t[(t["seed"] == t["seed"].min()) & t["arm"].isin(["none", "wpl"])] for t in tables]
    )
    drawn = [p for row in found.to_dict("records") for p in panels(row, snakemake.params.task)]
    columns = 2
    rows = -(-len(drawn) // columns)
    figure, grid = plt.subplots(rows, columns, figsize=(9, 3.2 * rows), squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, (title, draw) in zip(grid.flat, drawn, strict=False):
        draw(axes)
        axes.set_title(title)
    save(figure, snakemake.output[0])
