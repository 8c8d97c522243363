"""Before the first job, at the start and at the end of a run: a sound working copy, true records."""

import atexit
import functools

import yaml

from support import finished, run, stages, workspace

workspace.set_environment(ROOT)
# DVC knows no other params than these.
PLAIN = given == yaml.safe_load((ROOT / "params.yaml").read_text())

if TOP:
    stages.keep_records_by_stage(ROOT)
    finished.install()
if MAIN:
    with plainly():
        workspace.heal(ROOT)
        workspace.check(ROOT)
    if not PLAIN:
        logger.warning(
            "The configuration is not params.yaml's: DVC will not record what it makes."
        )
    run.begin_reports_with_start_page(workflow)
    atexit.register(functools.partial(run.end, workflow, ROOT, plain=PLAIN))


onstart:
    run.start(workflow, ROOT)


onsuccess:
    run.succeed(workflow, ROOT, plain=PLAIN)
