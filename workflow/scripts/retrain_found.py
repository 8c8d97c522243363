"""Train the architectures found in the full space alone, side by side."""

import pandas as pd

from job import job
from wpl_lab.devices import device
from wpl_lab.io.files import load_table, save_table
from wpl_lab.search.judging.winner import best_candidate
from wpl_lab.search.spaces.tasks import make_task
from wpl_lab.search.standalone import train_alone

with job(snakemake):
    params = snakemake.params
    task = make_task(
        params.task, snakemake.input.data, device=device(params.device), model=params.model
    )
    scores = pd.concat(map(load_table, snakemake.input.scores))
    runs = [
        (int(seed), task.space.parse(best_candidate(of_seed)["genotype"]))
        for seed, of_seed in scores.groupby("seed")
        if of_seed["candidates"].any()  # a search that diverged has none
    ]
    rows = train_alone(task, runs, **params.training)
    save_table(snakemake.output.scores, pd.DataFrame(rows).assign(**params.run))
