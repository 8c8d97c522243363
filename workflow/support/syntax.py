"""Checks of params.yaml, overlays and ``--config``, with better errors than Snakemake's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError

from wpl_lab.io.yaml_syntax import fault_in


def check_syntax(path: Path) -> None:
    """Check the syntax of a file.

    Raises:
        WorkflowError: If it has a fault; see ``fault_in``.
    """
    if fault := fault_in(path):
        raise WorkflowError(fault)


def check_command_line(config: Mapping[str, Any]) -> None:
    """Check the arguments of ``--config``.

    Raises:
        WorkflowError: If one is a section, in which Snakemake would convert numbers to text.
    """
    for name, value in config.items():
        if isinstance(value, Mapping | list):
            raise WorkflowError(
                f"--config {name}=...: Snakemake reads numbers in sections and lists as text; "
                "change params.yaml, write a file for --configfile, or use `dvc exp run -S`"
            )
