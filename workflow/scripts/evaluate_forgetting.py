"""Compare the arms, and write the tables behind the figures, the metrics and the findings."""

import pandas as pd
from markdown_it import MarkdownIt

from job import job
from wpl_lab.io.files import load_table, save_json, save_table, save_text
from wpl_lab.two_models import second_model_effects as comparison
from wpl_lab.two_models.two_models_findings import findings, split_findings

with job(snakemake):
    alphas, headline = snakemake.params.alphas, snakemake.params.headline
    files = [*snakemake.input.history, snakemake.input.split]
    *tables, of_split = (load_table(file, dtype={"stop": str}) for file in files)
    history = pd.concat(tables)
    curves = comparison.headline_runs(history, alphas)
    scores, split_scores = (comparison.final_scores(h) for h in (history, of_split))
    compared, split = (comparison.compare(s) for s in (scores, split_scores))
    of_headline = compared[compared["shared"] == headline]
    runs = scores[scores["shared"] == headline]
    text = findings(runs, of_headline, alphas, snakemake.params.fisher)
    split_alphas = snakemake.params.split_alphas
    text += split_findings(split_scores, split, split_alphas)

    cases = comparison.headline_runs(compared, alphas)
    metrics = comparison.metrics(cases)
    split_cases = comparison.headline_runs(split.assign(shared="split"), split_alphas)
    metrics |= comparison.metrics(split_cases)
    save_json(snakemake.output.params, snakemake.params.made_with)
    save_table(snakemake.output.curves, curves)
    save_table(snakemake.output.mean_curves, comparison.mean_curves(curves, headline))
    save_table(snakemake.output.tradeoff, of_headline)
    save_table(snakemake.output.split, split)
    save_table(snakemake.output.cases, cases)
    save_json(snakemake.output.metrics, metrics)
    save_json(snakemake.output.headline, comparison.headline(cases, headline))
    save_text(snakemake.output.findings, text)
    save_text(snakemake.output.page, MarkdownIt().render(text))
