"""Checks before the first job, and what the rules share: identity of jobs, lists of wildcards."""

from snakemake.io import expand as expand_names
from support import jobs, labels, stages
from support.params import validate
from wpl_lab.arm_choice import chosen
from wpl_lab.arms import ARMS
from wpl_lab.search.search_names import ERROR_NAMES, METHOD_NAMES
from wpl_lab.two_models.stops import CONVERGED


def in_chunks(seeds, size):
    """Root seeds, by the first of those that one job runs: one that is added leaves others alone."""
    return {seeds[i]: seeds[i : i + size] for i in range(0, len(seeds), size)}


given = config.copy()
with plainly():
    config.update(validate(config))
SEEDS = in_chunks(config["seeds"], config["seeds_per_job"])
STOPS = [CONVERGED, *map(str, config["first"]["stops"])]
HEADLINE = config["compare"]["headline"]
# The second models: number of shared layers and arm.
SECOND = [
    (k, arm)
    for k in config["compare"]["shared"]
    for arm in chosen(config["compare"]["arms"], "shared")
]
SECOND += [(HEADLINE, arm) for arm in chosen(config["compare"]["remedies"], "headline")]
SECOND = list(dict.fromkeys(SECOND))
# What their anchors take, beside the Fisher information and the path of the first model.
ESTIMATED = sorted(
    {e for _, arm in SECOND for e in ARMS[arm].estimates} & {"mas", "omega"}
)

SEARCH = config["search"]
TASKS = list(ERROR_NAMES)
# The figures of each experiment, with the tables that they show.
FIGURES = {
    "forgetting": ["curves"],
    "convergence": ["curves"],
    "tradeoff": ["tradeoff", "split"],
}
SEARCH_FIGURES = {
    "errors": ["runs"],
    "search_forgetting": ["forgetting", "later"],
    "reward": ["policy"],
    "ranking": ["ranking", "yardsticks"],
    "found": ["found", "retrained", "yardsticks"],
    "cells": ["found", "retrained"],
}
# What a search, or a training alone, asks a cluster for.
GPUS = int(SEARCH["device"] == "cuda")


wildcard_constraints:
    shared=r"\d+",
    batches=r"\d+",
    first=r"\d+",
    arm="(?:{})(?:@[\\d.e-]+)?".format("|".join(ARMS)),
    method="|".join(METHOD_NAMES),
    space=r"small|full|dropout[\d.]+",
    task="|".join(TASKS),
    section="data|images",
    figure="|".join({**FIGURES, **SEARCH_FIGURES}),


def expand(outputs, *combine, **wildcards):
    """Snakemake's own, but for outputs that are stored anywhere."""
    outputs = [outputs] if isinstance(outputs, str) else outputs
    return expand_names(
        [jobs.path_of(output, workflow) for output in outputs], *combine, **wildcards
    )


def params_of(stage):
    """The params of a stage of dvc.yaml, which its results carry."""
    return stages.params(config, stage, ROOT)


def existing(key, files):
    """Files of one's own that a job reads; the parameter that names them is named if one is not."""
    for file in files:
        if not Path(file).is_file():
            raise SystemExit(f"error: params: {key}: there is no file {file}")
    return files


def templates(experiment):
    """What documents claim of its results: a job that fills them in runs again if they change."""
    return {
        text: (ROOT / f"workflow/templates/{experiment}_{text}.md").read_text("utf-8")
        for text in ("claims", "caption")
    }


def strengths(arm, alpha, alphas):
    """How strongly an arm is run: at its own α, and at those of a trade-off."""
    entry = ARMS[arm]
    if entry.importance is None:
        return {"alpha": 0.0, "alphas": [0.0]}
    numbers = {name: config[entry.section][name] for name in entry.numbers}
    return {"alpha": alpha, "alphas": sorted({alpha, *alphas}), "numbers": numbers}


def of_two_models(arm, shared):
    """The same where two models share layers: at the headline number of them, over the trade-off."""
    alpha = config[ARMS[arm].section]["alpha"] if ARMS[arm].section else 0.0
    return strengths(
        arm, alpha, config["tradeoff"]["alphas"] if shared == HEADLINE else []
    )


def of_second(pattern):
    """The files of all second models."""
    return [
        file
        for shared, arm in SECOND
        for file in expand(pattern, shared=shared, arm=arm, first=SEEDS)
    ]


def estimates(arm, first):
    """The files of what an arm's anchor takes, by estimate, for the seeds of a job."""
    made = {
        **rules.estimate_importance.output,
        "fisher": rules.estimate_fisher.output.fisher,
        "fall": rules.train_first.output.fall,
        "moved": rules.train_first.output.moved,
    }
    return {
        estimate: expand(made[estimate], first=first)[0]
        for estimate in ARMS[arm].estimates
    }
