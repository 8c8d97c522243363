"""Forgetting between models that share weights: everything, from data to figures.

`snakemake --cores all` brings all results up to date.
"""

from snakemake.utils import min_version

min_version("9.27")


include: "workflow/rules/start.smk"


configfile: "params.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/data_cases.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/two_models.smk"
include: "workflow/rules/search_cases.smk"
include: "workflow/rules/search.smk"


rule all:
    default_target: True
    input:
        # All of them, those on the way to figures too: one that was lost is made again. Some are not
        # in git, as figures and tables are: in a fresh clone, whose results are those of a run
        # elsewhere, they are missing, and so everything is made.
        expand(rules.prepare_data.output, section=["data", "images"]),
        rules.prepare_text.output,
        rules.evaluate_data.output,
        rules.train_first.output,
        rules.estimate_fisher.output,
        rules.estimate_importance.output if ESTIMATED else [],
        of_second(rules.train_second.output),
        rules.train_split.output,
        rules.evaluate_forgetting.output,
        rules.plot_forgetting.output,
        rules.plot_convergence.output,
        rules.plot_tradeoff.output,
        [searched(task) for task in TASKS],
        expand(rules.evaluate_search.output, task=TASKS),
        expand(rules.plot_search_forgetting.output, task=TASKS),
        expand(rules.plot_reward.output, task=TASKS),
        expand(rules.plot_ranking.output, task=TASKS),
        expand(rules.plot_found.output, task=TASKS),
        expand(rules.plot_cells.output, task=TASKS),
