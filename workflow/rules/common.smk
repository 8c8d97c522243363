"""Checks before the first job, and definitions that the rules share."""

from snakemake.io import expand as expand_names
from support import jobs, labels, stages
from support.params import validate
from wpl_lab.arm_choice import chosen
from wpl_lab.arms import ARMS
from wpl_lab.search.search_names import ERROR_NAMES, METHOD_NAMES
from wpl_lab.two_models.stops import CONVERGED


def in_chunks(seeds, size):
    """Split root seeds into jobs, by the first seed of each; an added seed changes no full job."""
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
# Estimates for their anchors, besides the Fisher information and the path of the first model.
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
# GPUs that a search or a stand-alone training requests from a cluster.
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
    """Snakemake's ``expand``, for outputs in any storage."""
    outputs = [outputs] if isinstance(outputs, str) else outputs
    return expand_names(
        [jobs.path_of(output, workflow) for output in outputs], *combine, **wildcards
    )


def params_of(stage):
    """The params of a stage of dvc.yaml, which are stored with its results."""
    return stages.params(config, stage, ROOT)


def existing(key, files):
    """Check that the user's files exist; the error names the parameter."""
    for file in files:
        if not Path(file).is_file():
            raise SystemExit(f"error: params: {key}: there is no file {file}")
    return files


def templates(experiment):
    """Templates of claims and captions, as params, so that jobs run again when they change."""
    return {
        text: (ROOT / f"workflow/templates/{experiment}_{text}.md").read_text("utf-8")
        for text in ("claims", "caption")
    }
