"""The folder of the project, and checks of params.yaml before it is read."""

import os
import sys
from pathlib import Path

ROOT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parents[1]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "src")]

from support.plainly import plainly
from support.syntax import check_command_line, check_syntax

# Another workflow may use this one as a module; Snakemake starts separate processes for jobs.
TOP = workflow.modifier.is_main_snakefile()
MAIN = TOP and workflow.is_main_process

if MAIN:
    with plainly():
        for file in (ROOT / "params.yaml", *workflow.config_settings.configfiles):
            check_syntax(Path(os.path.relpath(file)))
        check_command_line(workflow.config_settings.config)
    if Path.cwd() != ROOT:
        logger.warning(
            f"Results go to {Path.cwd()}; those of the project with --directory {ROOT}"
        )
