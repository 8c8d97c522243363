"""Train architectures of the small space alone, one after the other."""

import itertools

import pandas as pd

from job import job
from wpl_lab.devices import device
from wpl_lab.io.files import save_table
from wpl_lab.search.spaces.tasks import tasks
from wpl_lab.search.standalone import train_alone

with job(snakemake):
    params = snakemake.params
    fresh = tasks(
        params.task, snakemake.input.data, device=device(params.device), model=params.model
    )
    cells = itertools.islice(fresh(params.seed).space.cells(), *params.cells)
    rows = [train_alone(fresh(params.seed), c, seed=params.seed, **params.training) for c in cells]
    save_table(snakemake.output.scores, pd.DataFrame(rows))
