"""Forgetting between models that share weights: everything, from data to figures.

`snakemake --cores all` brings all results up to date.
"""

from snakemake.utils import min_version

min_version("9.27")


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
        # Not in git, as figures and tables are: in a fresh clone, whose results are those of a run
        # elsewhere, they are missing, and so everything is made.
        of_second(rules.train_second.output),
        rules.plot_forgetting.output,
        rules.plot_convergence.output,
        rules.plot_tradeoff.output,
        [runs(rules.search_cells.output.states, task, spaces(task)) for task in TASKS],
        expand(rules.plot_search_forgetting.output, task=TASKS),
        expand(rules.plot_reward.output, task=TASKS),
        expand(rules.plot_ranking.output, task=TASKS),
        expand(rules.plot_found.output, task=TASKS),
        expand(rules.plot_cells.output, task=TASKS),
