"""Train random architectures of the full space alone, one after the other."""

import pandas as pd

from job import job
from wpl_lab.devices import device
from wpl_lab.io.files import save_table
from wpl_lab.search.protocol import draw
from wpl_lab.search.spaces.tasks import tasks
from wpl_lab.search.standalone import train_alone
from wpl_lab.seeding import generator

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
