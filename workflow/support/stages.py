"""The stages of dvc.yaml: their results, and the folders of Snakemake's records of these.

The records say which params, code and inputs made each file. While all results of a stage are those
of params.yaml, its records are in a folder that is an output of the stage. They are then versioned
with the results, and a stage can be run, pulled and checked out alone. From the start of a run
until all results of the stage are those of params.yaml again, the records are in Snakemake's own
folder; DVC then misses its output, so that it records neither a partial run nor one with other
params.
"""

import os
import shutil
from collections.abc import Iterable, Mapping
from functools import cache, reduce
from pathlib import Path
from typing import Any

import yaml
from snakemake.persistence.file import FilePersistence

WORKING = Path(".snakemake/metadata")
RECORDED = Path(".snakemake/made_with_params.yaml")


@cache
def _read(root: Path) -> dict[str, Any]:
    stages: dict[str, Any] = yaml.safe_load((root / "dvc.yaml").read_text("utf-8"))["stages"]
    return stages


@cache
def outputs(root: Path) -> dict[str, str]:
    """Read the stage of each output in dvc.yaml, by path."""
    stages = _read(root).items()
    return {next(iter(out)): name for name, stage in stages for out in stage["outs"]}


def params(config: Mapping[str, Any], stage: str, root: Path) -> dict[str, Any]:
    """Select the params of a stage from a configuration, by the keys in dvc.yaml."""
    keys = _read(root)[stage]["params"]
    return {
        key: reduce(lambda section, name: section[name], key.split("."), config) for key in keys
    }


def stage_of(path: str, root: Path) -> str | None:
    """Find the stage of a result; None if it has none."""
    parents = [path, *map(str, Path(path).parents)]
    return next((outputs(root)[p] for p in parents if p in outputs(root)), None)


def records_of(stage: str) -> Path:
    """Find the folder with the records of a stage."""
    recorded = RECORDED / stage
    return recorded if recorded.is_dir() else WORKING / stage


def keep_records_by_stage(root: Path) -> None:
    """Make Snakemake keep its records of each stage's results in the folder of the stage."""
    plain = FilePersistence._record_path

    def by_stage(self: FilePersistence, folder: str, key: str) -> str:
        path = plain(self, folder, key)
        stage = stage_of(key, root)
        if folder != self._metadata_path or stage is None:
            return path
        return str(records_of(stage) / os.path.relpath(path, folder))

    FilePersistence._record_path = by_stage


def drop_replaced() -> None:
    """Remove the records of results that DVC has replaced by checking out others with theirs."""
    for recorded in RECORDED.glob("*"):
        shutil.rmtree(WORKING / recorded.name, ignore_errors=True)


def begin(stages: Iterable[str]) -> None:
    """Move the records of stages away from DVC, since their results are about to change."""
    for stage in stages:
        if (RECORDED / stage).is_dir():
            shutil.rmtree(WORKING / stage, ignore_errors=True)
            WORKING.mkdir(parents=True, exist_ok=True)
            (RECORDED / stage).rename(WORKING / stage)


def end(stages: Iterable[str]) -> None:
    """Move the records of stages to DVC, as all their results are those of params.yaml."""
    for stage in stages:
        if (WORKING / stage).is_dir():
            RECORDED.mkdir(parents=True, exist_ok=True)
            (WORKING / stage).rename(RECORDED / stage)


def covered(workflow: Any, root: Path) -> set[str]:
    """Find the stages of which a run makes all results."""
    if workflow.dag_settings.batch:
        return set()
    targets = {job.rule.name for job in workflow.dag.jobs}
    stages = set(outputs(root).values())
    return stages if "all" in targets else stages & targets
