"""Checks before the first job, and what the rules share: identity of jobs, lists of wildcards."""

import sys
from pathlib import Path

import yaml

ROOT = Path(workflow.basedir)
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "src")]

from support import digest, workspace
from support.params import validate
from wpl.search.names import ARM_NAMES, METHOD_NAMES
from wpl.two_models.names import CONVERGED

given = config.copy()
config.update(validate(config))
SEEDS = config["seeds"]
STOPS = [CONVERGED, *map(str, config["first"]["stops"])]
ARMS = config["compare"]["arms"]
# An arm has a strength if it has a section with one.
ALPHAS = {arm: config[arm]["alpha"] for arm in ARMS if arm in config}


SEARCH = config["search"]


wildcard_constraints:
    shared=r"\d+",
    seed=r"\d+",
    arm="|".join({*ARMS, *ARM_NAMES}),
    method="|".join(METHOD_NAMES),
    space="small|full",


def code(script):
    """Everything that a script executes, as one of its params."""
    return digest.code_digest(script, ROOT)


def strengths(arm, shared):
    """The values of α at which an arm is run: its own, and those of the trade-off."""
    if arm not in ALPHAS:
        return [0.0]
    sweep = (
        config["tradeoff"]["alphas"] if shared == config["compare"]["headline"] else []
    )
    return sorted({ALPHAS[arm], *sweep})


workspace.set_environment(ROOT)
if workflow.is_main_process:
    workspace.heal()
    workspace.check()
    if given != yaml.safe_load((ROOT / "params.yaml").read_text()):
        logger.warning(
            "The configuration is not params.yaml's: DVC cannot record what differs."
        )


onstart:
    workspace.lock()


onsuccess:
    workspace.materialise(workflow.dag)
    for removed in workspace.prune(workflow):
        logger.info(f"Removed {removed}: no parameter asks for it any more.")


onerror:
    workspace.materialise(workflow.dag)
