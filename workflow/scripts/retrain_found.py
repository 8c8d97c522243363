"""Train alone what a search found in the full space."""

import pandas as pd

from job import job
from wpl.devices import device
from wpl.files import save_table
from wpl.search.standalone import train_alone
from wpl.search.text_task import TextTask
from wpl.search.winner import best_candidate
from wpl.text import load_text

with job(snakemake):
    params = snakemake.params
    text, _ = load_text(snakemake.input.text)
    task = TextTask(text, seed=params.seed, device=device(params.device), **params.model)
    genotype = task.space.parse(best_candidate(pd.read_csv(snakemake.input.scores))["genotype"])
    row = train_alone(task, genotype, seed=params.seed, **params.training)
    save_table(snakemake.output.scores, pd.DataFrame([row | params.run]))
