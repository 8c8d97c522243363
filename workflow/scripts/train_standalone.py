"""Train cells of the small space alone, one after the other."""

import itertools

import pandas as pd

from job import job
from wpl.devices import device
from wpl.files import save_table
from wpl.search.recurrent import RecurrentSpace
from wpl.search.standalone import train_alone
from wpl.search.text_task import TextTask
from wpl.text import load_text

with job(snakemake):
    params = snakemake.params
    text, _ = load_text(snakemake.input.text)
    where, cells = device(params.device), RecurrentSpace(params.model["nodes"]).cells()
    rows = [
        train_alone(
            TextTask(text, seed=params.seed, device=where, **params.model),
            genotype,
            seed=params.seed,
            **params.training,
        )
        for genotype in itertools.islice(cells, *params.cells)
    ]
    save_table(snakemake.output.scores, pd.DataFrame(rows))
