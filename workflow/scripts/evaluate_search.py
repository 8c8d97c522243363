"""Judge the searches, and write the tables behind the figures, the headline and the findings."""

import pandas as pd
from markdown_it import MarkdownIt

from job import job
from wpl_lab.io.files import load_table, save_json, save_table, save_text
from wpl_lab.search.judging.judge import Lengths, judge


def read(files):
    """Stack tables; one of a search that learns nothing has no rows, and there may be none."""
    return pd.concat([pd.DataFrame(), *map(load_table, files)], ignore_index=True)


with job(snakemake):
    params, output = snakemake.params, snakemake.output
    judged = judge(
        {name: read(files) for name, files in snakemake.input.items()},
        task=params.task,
        primary=params.primary,
        lengths=Lengths(**params.lengths),
    )
    for name, table in judged.tables.items():
        save_table(output[name], table)
    save_json(output.headline, judged.headline)
    save_text(output.findings, judged.findings)
    save_text(output.page, MarkdownIt().enable("table").render(judged.findings))
