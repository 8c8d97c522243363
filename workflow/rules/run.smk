"""Hooks before the first job, at the start and at the end of a run."""

import atexit
import functools

import yaml

from support import copies, finished, run, stages, workspace

workspace.set_environment(ROOT)
# DVC records only the params in params.yaml.
PLAIN = given == yaml.safe_load((ROOT / "params.yaml").read_text())

if TOP:
    stages.keep_records_by_stage(ROOT)
    finished.install()
if MAIN:
    roots = [config[section]["root"] for section in ("data", "images", "text")]
    copies.link_data(roots, Path.cwd())
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
    with plainly():
        run.start(workflow, ROOT)


onsuccess:
    run.succeed(workflow, ROOT, plain=PLAIN)
