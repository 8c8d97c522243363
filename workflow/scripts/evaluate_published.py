"""Evaluate searches with a published ground truth: tables behind the figures, and findings."""

import pandas as pd
from markdown_it import MarkdownIt

from job import job
from wpl_lab.io.files import load_table, save_json, save_table, save_text
from wpl_lab.search.protocol import ranked
from wpl_lab.search.published.judge import judge
from wpl_lab.search.spaces.nasbench201 import Nasbench201Space

with job(snakemake):
    params, output = snakemake.params, snakemake.output
    space = Nasbench201Space(params.operations)
    judged = judge(
        {
            name: pd.concat(map(load_table, snakemake.input[name]), ignore_index=True)
            for name in ("children", "scores")
        },
        load_table(snakemake.input.truth),
        [str(genotype) for genotype in ranked(space, params.sampled)],
        primary=params.primary,
    )
    save_json(output.params, params.made_with)
    for name, table in judged.tables.items():
        save_table(output[name], table)
    save_text(output.findings, judged.findings)
    save_text(output.page, MarkdownIt().enable("table").render(judged.findings))
