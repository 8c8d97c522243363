"""Train random architectures of the full space alone, side by side."""

import pandas as pd

from job import job
from wpl_lab.devices import device
from wpl_lab.io.files import save_table
from wpl_lab.search.protocol import draw
from wpl_lab.search.spaces.tasks import make_task
from wpl_lab.search.standalone import train_alone
from wpl_lab.seeding import generator

with job(snakemake):
    params = snakemake.params
    task = make_task(
        params.task, snakemake.input.data, device=device(params.device), model=params.model
    )
    randoms = {seed: generator(seed, "retrain_random", "cells") for seed in params.seeds}
    runs = [
        (seed, draw(task.space, random))
        for seed, random in randoms.items()
        for _ in range(params.cells)
    ]
    save_table(snakemake.output.scores, pd.DataFrame(train_alone(task, runs, **params.training)))
