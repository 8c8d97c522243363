"""The stages of dvc.yaml: which results are whose, and whose Snakemake's records are."""

import os
from functools import cache
from pathlib import Path

import yaml
from snakemake.persistence.file import FilePersistence

METADATA = ".snakemake/metadata"


@cache
def outputs(root: Path) -> dict[str, str]:
    """Read which stage each output of dvc.yaml belongs to, by path."""
    stages = yaml.safe_load((root / "dvc.yaml").read_text("utf-8"))["stages"]
    named = ((next(iter(out)), name) for name, stage in stages.items() for out in stage["outs"])
    return dict(named)


def stage_of(path: str, root: Path) -> str | None:
    """Find the stage of a result; None if it is of none."""
    parents = [path, *map(str, Path(path).parents)]
    return next((outputs(root)[p] for p in parents if p in outputs(root)), None)


def keep_records_by_stage(root: Path) -> None:
    """Make Snakemake keep its records of each stage's results in a folder of their own.

    The records say which params, code and inputs made a file. As an output of its stage, each
    folder travels with the results: a stage may be run, pulled and checked out alone.
    """
    plain = FilePersistence._record_path

    def by_stage(self: FilePersistence, folder: str, key: str) -> str:
        path = plain(self, folder, key)
        stage = stage_of(key, root)
        if folder != self._metadata_path or stage is None:
            return path
        return os.path.join(folder, stage, os.path.relpath(path, folder))  # noqa: PTH118

    FilePersistence._record_path = by_stage
