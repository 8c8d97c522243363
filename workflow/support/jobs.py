"""What all rules have in common: environment, log, digest of the code, cached results."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from snakemake.caching.rule import RuleCache
from snakemake.path_modifier import PathModifier
from snakemake.rules import Rule

from support.digest import code_digest
from wpl_lab.search.search_names import MODULES


def complete(workflow: Any, root: Path) -> None:
    """Complete the rules that run a script of this project.

    Each gets the conda environment, a log named after its results, and a digest of its code as a
    param; its finished jobs are cached.
    """
    own = root / "workflow/rules"  # another workflow that uses this one has rules of its own
    for rule in workflow.rules:
        if Path(rule.snakefile).parent == own and rule.script and rule.output and not rule.log:
            rule.conda_env = "../envs/wpl.yaml"
            rule.log_modifier = PathModifier(None, None, workflow)  # the results' paths have theirs
            rule.set_log(_log(path_of(rule.output[0], workflow)))
            rule.set_params(code=_code(rule, root))
            rule.cache = RuleCache.from_rule(rule, cache=True)


def path_of(output: Any, workflow: Any) -> str:
    """Return an output's path, also on a cluster without a shared file system."""
    stored = getattr(output, "flags", {}).get("storage_object")
    if not stored:
        return output
    prefix = workflow.storage_settings.default_storage_prefix
    return stored.query.removeprefix(prefix).lstrip("/")


def _log(output: str) -> str:
    """Name a log after the results, up to the last wildcard."""
    result = output[: output.rfind("}") + 1] or str(Path(output).parent)
    return result.replace("results/", "logs/", 1) + ".log"


def _code(rule: Rule, root: Path) -> Callable[[Any], str]:
    def code(wildcards: Any) -> str:
        script = Path(rule.script.format(wildcards=wildcards)).stem
        return code_digest(script, root, MODULES.get(wildcards.get("task")), _arms(rule, wildcards))

    return code


def _arms(rule: Rule, wildcards: Any) -> frozenset[str] | None:
    """Find the arms that a job is about, from its wildcard or its params; None if from neither."""
    arms = [wildcards.arm] if hasattr(wildcards, "arm") else rule.params.get("arms")
    # wpl@0.3 is wpl at another strength
    return None if arms is None else frozenset(arm.partition("@")[0] for arm in arms)
