"""The stages of dvc.yaml: which results are whose, and where Snakemake's records of them are.

The records say which params, code and inputs made each file. While they are those of params.yaml, a
stage's records lie in a folder that is an output of the stage: they travel with the results, and a
stage may be run, pulled and checked out alone. From the start of a run until all results of the
stage are those of params.yaml again, they lie in Snakemake's own folder; then DVC misses its output
and records nothing: neither half a run nor one with other params.
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
    """Read which stage each output of dvc.yaml belongs to, by path."""
    stages = _read(root).items()
    return {next(iter(out)): name for name, stage in stages for out in stage["outs"]}


def params(config: Mapping[str, Any], stage: str, root: Path) -> dict[str, Any]:
    """Take the params of a stage out of a configuration, by the keys that dvc.yaml has."""
    keys = _read(root)[stage]["params"]
    return {
        key: reduce(lambda section, name: section[name], key.split("."), config) for key in keys
    }


def stage_of(path: str, root: Path) -> str | None:
    """Find the stage of a result; None if it is of none."""
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
    """Remove the records of results in whose place DVC has checked out others, with their own."""
    for recorded in RECORDED.glob("*"):
        shutil.rmtree(WORKING / recorded.name, ignore_errors=True)


def begin(stages: Iterable[str]) -> None:
    """Take the records of stages from DVC, since their results are about to change."""
    for stage in stages:
        if (RECORDED / stage).is_dir():
            shutil.rmtree(WORKING / stage, ignore_errors=True)
            WORKING.mkdir(parents=True, exist_ok=True)
            (RECORDED / stage).rename(WORKING / stage)


def end(stages: Iterable[str]) -> None:
    """Hand the records of stages to DVC: all their results are those of params.yaml."""
    for stage in stages:
        if (WORKING / stage).is_dir():
            RECORDED.mkdir(parents=True, exist_ok=True)
            (WORKING / stage).rename(RECORDED / stage)


def covered(workflow: Any, root: Path) -> set[str]:
    """Find the stages all of whose results a run has as its target."""
    if workflow.dag_settings.batch:
        return set()
    targets = {job.rule.name for job in workflow.dag.jobs}
    stages = set(outputs(root).values())
    return stages if "all" in targets else stages & targets
