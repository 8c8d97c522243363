"""Train random cells of the full space alone, one after the other."""

import pandas as pd

from job import job
from wpl.devices import device
from wpl.files import save_table
from wpl.search.protocol import draw
from wpl.search.standalone import train_alone
from wpl.search.text_task import TextTask
from wpl.seeding import generator
from wpl.text import load_text

with job(snakemake):
    params = snakemake.params
    text, _ = load_text(snakemake.input.text)
    rows = []
    for seed in params.seeds:
        random = generator(seed, "retrain_random", "cells")
        for _ in range(params.cells):
            task = TextTask(text, seed=seed, device=device(params.device), **params.model)
            genotype = draw(task.space, random)
            rows.append(train_alone(task, genotype, seed=seed, **params.training))
    save_table(snakemake.output.scores, pd.DataFrame(rows))
