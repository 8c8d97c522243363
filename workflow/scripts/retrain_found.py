"""Train alone what the searches of the full space found, one seed after the other."""

import pandas as pd

from job import job
from wpl.devices import device
from wpl.files import load_table, save_table
from wpl.search.standalone import train_alone
from wpl.search.text_task import TextTask
from wpl.search.winner import best_candidate
from wpl.text import load_text

with job(snakemake):
    params = snakemake.params
    text, _ = load_text(snakemake.input.text)
    rows = []
    for seed, scores in zip(params.seeds, snakemake.input.scores, strict=True):
        task = TextTask(text, seed=seed, device=device(params.device), **params.model)
        genotype = task.space.parse(best_candidate(load_table(scores))["genotype"])
        rows.append(train_alone(task, genotype, seed=seed, **params.training) | params.run)
    save_table(snakemake.output.scores, pd.DataFrame(rows))
