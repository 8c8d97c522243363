"""Checks before the first job, and what the rules share: identity of jobs, lists of wildcards."""

import yaml

from snakemake.io import expand as expand_names
from snakemake.utils import update_config
from support import jobs, stages, workspace
from support.params import typed, validate
from wpl_lab.search.search_names import ARM_NAMES, ERROR_NAMES, METHOD_NAMES
from wpl_lab.two_models.arms import CONVERGED, IMPORTANCE

update_config(config, typed(workflow.config_settings.config))
given = config.copy()
with plainly():
    config.update(validate(config))
SEEDS = config["seeds"]
STOPS = [CONVERGED, *map(str, config["first"]["stops"])]
ARMS = config["compare"]["arms"]
REMEDIES = config["compare"]["remedies"]
HEADLINE = config["compare"]["headline"]
# Those whose importance is not the Fisher information.
ESTIMATED = [arm for arm in REMEDIES if arm in IMPORTANCE]
# The second models: number of shared layers and arm.
SECOND = [(k, arm) for k in config["compare"]["shared"] for arm in ARMS]
SECOND += [(HEADLINE, arm) for arm in REMEDIES]
# An arm has a strength if it has a section with one.
ALPHAS = {arm: config[arm]["alpha"] for arm in [*ARMS, *REMEDIES] if arm in config}
SPLIT_ALPHAS = {
    arm: config["split"]["alpha"]
    for arm in config["split"]["arms"]
    if arm not in ("none", "joint")
}

SEARCH = config["search"]
TASKS = list(ERROR_NAMES)
# The figures of each experiment, with the tables that they show.
FIGURES = {
    "forgetting": ["curves"],
    "convergence": ["curves"],
    "tradeoff": ["tradeoff", "split"],
}
SEARCH_FIGURES = {
    "search_forgetting": ["forgetting"],
    "reward": ["policy"],
    "ranking": ["ranking"],
    "found": ["found", "retrained"],
    "cells": ["found", "retrained"],
}
# What a search, or a training alone, asks a cluster for.
GPUS = int(SEARCH["device"] == "cuda")


wildcard_constraints:
    shared=r"\d+",
    seed=r"\d+",
    arm="|".join({*ARMS, *REMEDIES, *ARM_NAMES}),
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


def existing(key, files):
    """Files of one's own that a job reads; the parameter that names them is named if one is not."""
    for file in files:
        if not Path(file).is_file():
            raise SystemExit(f"error: params: {key}: there is no file {file}")
    return files


def strengths(arm, shared):
    """The values of α at which an arm is run: its own, and those of the trade-off."""
    if arm not in ALPHAS:
        return [0.0]
    sweep = config["tradeoff"]["remedies" if arm in REMEDIES else "alphas"]
    return sorted({ALPHAS[arm], *(sweep if shared == HEADLINE else [])})


def split_strengths(arm):
    """The same, where one network learns one half of the classes after the other."""
    if arm not in SPLIT_ALPHAS:
        return [0.0]
    return sorted({SPLIT_ALPHAS[arm], *config["split"]["alphas"]})


def of_second(pattern):
    """The files of all second models."""
    shared, arm = zip(*SECOND)
    return expand(pattern, zip, shared=shared, arm=arm)


def importance(arm):
    """The file of what an arm's anchor is weighted with."""
    kind = IMPORTANCE.get(arm, "fisher")
    folder = "estimate_fisher" if kind == "fisher" else "estimate_importance"
    return f"results/{folder}/{kind}.safetensors"


workspace.set_environment(ROOT)
if TOP:
    stages.keep_records_by_stage(ROOT)
if MAIN:
    workspace.heal()
    with plainly():
        workspace.check(ROOT)
    if given != yaml.safe_load((ROOT / "params.yaml").read_text()):
        logger.warning(
            "The configuration is not params.yaml's: DVC cannot record what differs."
        )


onstart:
    workspace.lock()


onsuccess:
    workspace.materialise(workflow.dag)
    for removed in workspace.prune(workflow, ROOT):
        logger.info(f"Removed {removed}: no parameter asks for it any more.")


onerror:
    workspace.materialise(workflow.dag)
