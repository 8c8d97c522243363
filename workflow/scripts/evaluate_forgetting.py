"""Compare the arms, and write the tables behind the figures, the metrics and the findings."""

import pandas as pd

from job import job
from wpl_lab.io.files import load_table, save_json, save_table, save_text
from wpl_lab.io.rendering import page, render
from wpl_lab.two_models import second_model_effects as comparison
from wpl_lab.two_models.stops import stop_title
from wpl_lab.two_models.two_models_claims import SPLIT, Claims
from wpl_lab.two_models.two_models_findings import findings
from wpl_lab.two_models.two_models_verdicts import verdicts


def read(files):
    """Concatenate the records of all seeds and arms."""
    return pd.concat([load_table(f, dtype={"stop": str}) for f in files], ignore_index=True)


with job(snakemake):
    params, output = snakemake.params, snakemake.output
    history = read(snakemake.input.history)
    of_split = [read([file]).assign(shared=SPLIT) for file in snakemake.input.split]
    scores = comparison.final_scores(pd.concat([history, *of_split], ignore_index=True))
    compared = comparison.compare(scores)
    cases = compared[compared["own"]]
    reported = [params.headline, SPLIT]
    judged = verdicts(scores[scores["shared"].isin(reported)])
    text = findings(cases[cases["shared"].isin(reported)], judged, params.fisher)
    curves = history[history["own"]]

    save_json(output.params, params.made_with)
    save_table(output.curves, curves.drop(columns="own").round(4))  # small: kept in git
    save_table(output.mean_curves, comparison.mean_curves(curves, params.headline))
    save_table(output.tradeoff, compared[compared["shared"] == params.headline])
    save_table(output.split, compared[compared["shared"] == SPLIT])
    save_table(output.cases, cases[cases["shared"] != SPLIT])
    save_table(output.verdicts, judged)
    save_json(output.metrics, comparison.metrics(cases))
    save_json(output.headline, comparison.headline(cases, params.headline))
    save_text(output.findings, text)
    save_text(output.page, page(text))
    claims = Claims(cases, judged, params.headline)
    for name, template in params.templates.items():
        save_text(output[name], render(template, m=claims, stop_title=stop_title))
