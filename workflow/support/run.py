"""Actions at the start of a run of Snakemake, on success, and at its end."""

from pathlib import Path
from typing import Any

from snakemake.logging import logger

from support import closing, receipts, stages, surroundings, workspace


def start(workflow: Any, root: Path) -> None:
    """Check what the jobs need, lock the working copy, and cache results before they change."""
    jobs = list(workflow.dag.needrun_jobs())
    surroundings.check(jobs, local=workflow.local_exec)
    surroundings.check_finished()
    workspace.lock()
    changing = {stages.stage_of(str(output), root) for job in jobs for output in job.output}
    stages.begin(changing - {None})
    receipts.keep_before(jobs, root)


def succeed(workflow: Any, root: Path, *, plain: bool) -> None:
    """Remove what nothing asks for, hand the records to DVC if the params are its own, and close.

    The closing lines come after a run of everything or of a stage only.
    """
    for removed in workspace.prune(workflow, root):
        logger.info(f"Removed {removed}: no parameter asks for it any more.")
    receipts.write(workflow, root)
    covered = stages.covered(workflow, root)
    if plain:
        stages.end(covered)
    if covered:
        for line in closing.lines(Path(), plain=plain):
            logger.info(line, extra={"summary": True})


def end(workflow: Any, root: Path, *, plain: bool) -> None:
    """Do the latter also where nothing had to run."""
    dag = workflow._dag
    if plain and dag is not None and not any(dag.needrun_jobs(exclude_finished=False)):
        stages.end(stages.covered(workflow, root))


def begin_reports_with_start_page(workflow: Any) -> None:
    """Have Snakemake write the first page of a report before the report."""
    plain = workflow.create_report

    def create_report(*args: Any, **options: Any) -> Any:
        from support import start_page  # noqa: PLC0415 - of no use to any other run

        start_page.write(workspace.RESULTS, workflow.config)
        return plain(*args, **options)

    workflow.create_report = create_report
