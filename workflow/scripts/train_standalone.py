"""Train architectures of the small space alone, all seeds and architectures side by side."""

import itertools

import pandas as pd

from job import job
from wpl_lab.devices import device
from wpl_lab.io.files import save_table
from wpl_lab.search.spaces.tasks import make_task
from wpl_lab.search.standalone import train_alone

with job(snakemake):
    params = snakemake.params
    task = make_task(
        params.task, snakemake.input.data, device=device(params.device), model=params.model
    )
    cells = list(itertools.islice(task.space.cells(), *params.cells))
    runs = [(seed, cell) for seed in params.seeds for cell in cells]
    save_table(snakemake.output.scores, pd.DataFrame(train_alone(task, runs, **params.training)))
