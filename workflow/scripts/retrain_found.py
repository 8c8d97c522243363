"""Train alone what the searches of the full space found, one seed after the other."""

import pandas as pd

from job import job
from wpl_lab.devices import device
from wpl_lab.io.files import load_table, save_table
from wpl_lab.search.judging.winner import best_candidate
from wpl_lab.search.spaces.tasks import tasks
from wpl_lab.search.standalone import train_alone

with job(snakemake):
    params = snakemake.params
    fresh = tasks(
        params.task, snakemake.input.data, device=device(params.device), model=params.model
    )
    rows = []
    for scores in map(load_table, snakemake.input.scores):
        for seed, of_seed in scores.groupby("seed"):
            task = fresh(int(seed))
            genotype = task.space.parse(best_candidate(of_seed)["genotype"])
            rows.append(train_alone(task, genotype, seed=int(seed), **params.training) | params.run)
    save_table(snakemake.output.scores, pd.DataFrame(rows))
