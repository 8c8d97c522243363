"""Render what README and REPRODUCIBILITY claim of the results, each text by its template."""

from pathlib import Path

from job import job
from wpl_lab.claims import render, searches
from wpl_lab.io.files import save_text

with job(snakemake):
    results = {"searches": searches(Path(snakemake.input.searches[0]).parents[1])}
    for template, text in zip(snakemake.input.templates, snakemake.output, strict=True):
        save_text(text, render(Path(template), results))
