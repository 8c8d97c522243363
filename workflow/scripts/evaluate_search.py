"""Judge the searches, and write the tables behind the figures, the headline and the findings."""

import pandas as pd
from markdown_it import MarkdownIt

from job import job
from wpl_lab.io.files import load_table, save_json, save_table, save_text
from wpl_lab.search.judging import judgement
from wpl_lab.search.judging import search_effects as comparison
from wpl_lab.search.judging.search_findings import findings


def read(files):
    """Stack tables; one of a search that learns nothing has no rows, and there may be none."""
    return pd.concat([pd.DataFrame(), *map(load_table, files)], ignore_index=True)


with job(snakemake):
    table = {name: read(files) for name, files in snakemake.input.items()}
    alone = table["standalone"]
    forgetting = judgement.forgetting(table["children"])
    ranking = judgement.ranking(table["scores"], judgement.truth_of(alone))
    found = judgement.against_truth(judgement.found(table["scores"]), alone)
    retrained = judgement.retrained(table["found"], table["random"])
    runs = comparison.quantities(forgetting, table["policy"], ranking, found, retrained)
    compared = comparison.compare(runs)
    text = findings(compared, snakemake.params.task)

    save_json(snakemake.output.params, snakemake.params.made_with)
    save_table(snakemake.output.forgetting, forgetting)
    save_table(snakemake.output.policy, table["policy"])
    save_table(snakemake.output.ranking, ranking)
    save_table(snakemake.output.truth, alone)
    save_table(snakemake.output.found, found)
    save_table(snakemake.output.retrained, retrained)
    save_table(snakemake.output.comparison, compared)
    mean = comparison.mean_curve
    save_table(snakemake.output.mean_forgetting, mean(forgetting, "mean_nats"))
    save_table(snakemake.output.mean_ranking, mean(ranking, "tau"))
    save_json(snakemake.output.headline, comparison.headline(compared, runs))
    save_text(snakemake.output.findings, text)
    save_text(snakemake.output.page, MarkdownIt().render(text))
