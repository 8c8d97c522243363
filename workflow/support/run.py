"""What happens around a run of Snakemake: at its start, when it has succeeded, at its end."""

from pathlib import Path
from typing import Any

from snakemake.logging import logger

from support import receipts, stages, surroundings, workspace


def start(workflow: Any, root: Path) -> None:
    """Check what the jobs need, lock the working copy, and keep results before they change."""
    jobs = list(workflow.dag.needrun_jobs())
    surroundings.check(jobs, local=workflow.local_exec)
    surroundings.check_finished()
    workspace.lock()
    changing = {stages.stage_of(str(output), root) for job in jobs for output in job.output}
    stages.begin(changing - {None})
    receipts.keep_before(jobs, root)


def succeed(workflow: Any, root: Path, *, plain: bool) -> None:
    """Remove what nothing asks for, and hand the records to DVC if the params are its own."""
    for removed in workspace.prune(workflow, root):
        logger.info(f"Removed {removed}: no parameter asks for it any more.")
    receipts.write(workflow, root)
    if plain:
        stages.end(stages.covered(workflow, root))


def end(workflow: Any, root: Path, *, plain: bool) -> None:
    """Do the latter also where nothing had to run."""
    dag = workflow._dag
    if plain and dag is not None and not any(dag.needrun_jobs(exclude_finished=False)):
        stages.end(stages.covered(workflow, root))
