"""Evaluate the searches, and write the tables behind the figures, the headline and the findings."""

import pandas as pd

from job import job
from wpl_lab.io.files import load_table, save_json, save_table, save_text
from wpl_lab.io.rendering import page, render
from wpl_lab.search.judging.claims import Claims, words
from wpl_lab.search.judging.judge import GIVEN, Lengths, judge


def read(files):
    """Concatenate tables, which may be empty; there may also be no table."""
    return pd.concat([pd.DataFrame(), *map(load_table, files)], ignore_index=True)


with job(snakemake):
    params, output = snakemake.params, snakemake.output
    judged = judge(
        {name: read(snakemake.input[name]) for name in GIVEN},
        task=params.task,
        primary=params.primary,
        lengths=Lengths(**params.lengths),
    )
    save_json(output.params, params.made_with)
    for name, table in judged.tables.items():
        save_table(output[name], table)
    save_json(output.headline, judged.headline)
    save_text(output.findings, judged.findings)
    save_text(output.page, page(judged.findings))
    claims = Claims(**{name: judged.tables[name] for name in ("arms", "verdicts", "yardsticks")})
    for name, template in params.templates.items():
        save_text(output[name], render(template, s=claims, **words(params.task)))
