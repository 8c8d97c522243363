"""Train random architectures of the full space alone, one after the other."""

import pandas as pd

from job import job
from wpl.devices import device
from wpl.files import save_table
from wpl.search.protocol import draw
from wpl.search.standalone import train_alone
from wpl.search.tasks import tasks
from wpl.seeding import generator

with job(snakemake):
    params = snakemake.params
    fresh = tasks(
        params.task, snakemake.input.data, device=device(params.device), model=params.model
    )
    rows = []
    for seed in params.seeds:
        random = generator(seed, "retrain_random", "cells")
        for _ in range(params.cells):
            task = fresh(seed)
            genotype = draw(task.space, random)
            rows.append(train_alone(task, genotype, seed=seed, **params.training))
    save_table(snakemake.output.scores, pd.DataFrame(rows))
