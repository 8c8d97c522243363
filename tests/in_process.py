"""Plan and run jobs of the workflow in this process, which saves starting Python for each."""

import contextlib
import hashlib
import io
import os
import runpy
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import yaml
from snakemake.api import SnakemakeApi
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    OutputSettings,
    Quietness,
    ResourceSettings,
)
from workspace import ROOT

SCRIPTS = ROOT / "workflow/scripts"


def plan(config, target, folder):
    """List the jobs that make a target from nothing, in the order of their dependencies.

    Args:
        config: Changes of params.yaml, passed as a file with --configfile.
        target: A rule or a file.
        folder: Working directory.

    Raises:
        SystemExit: If the configuration is invalid.
    """
    file = Path(folder) / "overlay.yaml"
    file.write_text(yaml.safe_dump(config), "utf-8")
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(io.StringIO()),
        patch.dict(os.environ),  # the Snakefile changes it
        SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api,
    ):
        made = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(configfiles=[file]),
            snakefile=ROOT / "Snakefile",
            workdir=folder,
        )
        made.dag(dag_settings=DAGSettings(targets={target}, forceall=True)).printrulegraph()
        jobs = [job for level in made._workflow.dag.toposorted() for job in level]
        made._workflow.sourcecache.runtime_cache.cleanup()
        return jobs


def execute(job, folder, finished):
    """Run the script of a job, or copy the outputs of an identical job.

    Args:
        job: A job of a plan.
        folder: Working directory.
        finished: Outputs of finished jobs by their rule, params and inputs; it is extended.

    Raises:
        SystemExit: If the job fails, with its error in one line or with a traceback.
    """
    given = SimpleNamespace(
        rule=job.rule.name,
        wildcards=job.wildcards,
        input=job.input,
        output=job.output,
        params=job.params,
        log=job.log,
    )
    with contextlib.chdir(folder):
        told = [job.rule.name, *job.wildcards, *job.params.items()]
        told += [hashlib.sha256(Path(file).read_bytes()).digest() for file in job.input]
        key = repr(told)
        for output in job.output:
            Path(output).parent.mkdir(parents=True, exist_ok=True)
        if key in finished:
            for output, content in zip(job.output, finished[key], strict=True):
                Path(output).write_bytes(content)
            return
        script = SCRIPTS / Path(job.rule.script.format(wildcards=job.wildcards)).name
        runpy.run_path(str(script), {"snakemake": given})
        finished[key] = [Path(output).read_bytes() for output in job.output]
