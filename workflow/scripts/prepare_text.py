"""Read the text, split it, number its words, and store it in one file."""

from pathlib import Path

from job import job
from wpl_lab.data.text import save_text
from wpl_lab.data.text_sources import read_text

with job(snakemake):
    params = snakemake.params
    text, about = read_text(
        params.source, root=Path(params.root), vocabulary=params.vocabulary, **params.split
    )
    save_text(snakemake.output.text, text, **about)
