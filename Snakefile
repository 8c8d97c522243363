"""Forgetting between models that share weights: the whole workflow, from data to figures.

`snakemake --cores all` brings all results up to date; `snakemake --cores all search_text` those of
one study.
"""

from snakemake.utils import min_version

min_version("9.27")


include: "workflow/rules/start.smk"


configfile: ROOT / "params.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/run.smk"
include: "workflow/rules/data_cases.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/two_models_cases.smk"
include: "workflow/rules/two_models.smk"
include: "workflow/rules/search_cases.smk"
include: "workflow/rules/search.smk"
include: "workflow/rules/published_cases.smk"
include: "workflow/rules/published.smk"


jobs.complete(workflow, ROOT)


# The stages of dvc.yaml. They list every file, including intermediate ones, so that a lost file is
# made again.
rule two_models:
    input:
        expand(rules.prepare_data.output, section="data"),
        expand(rules.evaluate_data.output, prepared="data"),
        expand(rules.train_first.output, first=SEEDS),
        expand(rules.estimate_fisher.output, first=SEEDS),
        expand(rules.estimate_importance.output if ESTIMATED else [], first=SEEDS),
        of_second(rules.train_second.output),
        of_split(rules.train_split.output),
        rules.evaluate_forgetting.output,
        expand(rules.plot_two_models.output, figure=FIGURES),


rule search_text:
    input:
        rules.prepare_text.output,
        expand(rules.evaluate_data.output, prepared="text"),
        searched("text"),


rule search_images:
    input:
        expand(rules.prepare_data.output, section="images"),
        expand(rules.evaluate_data.output, prepared="images"),
        searched("images"),


# Not part of a stage of dvc.yaml or of `all`; needs --configfile config/nasbench201.yaml.
rule search_nasbench201:
    input:
        published,


rule all:
    default_target: True
    input:
        rules.two_models.input,
        rules.search_text.input,
        rules.search_images.input,
