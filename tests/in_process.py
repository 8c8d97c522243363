"""Plan and run jobs of the workflow in this process, without a second's start for each."""

import contextlib
import hashlib
import io
import runpy
from pathlib import Path
from types import SimpleNamespace

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
    """The jobs that bring a target up to date from nothing, each after those that it needs.

    Args:
        config: Laid over params.yaml, as a file of the folder.
        target: A rule or a file.
        folder: Working directory.

    Raises:
        SystemExit: If the configuration is refused.
    """
    file = Path(folder) / "overlay.yaml"
    file.write_text(yaml.safe_dump(config), "utf-8")
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(io.StringIO()),
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
    """Run the script of a job, or copy what one that was told the same has made.

    Args:
        job: One of a plan.
        folder: Working directory.
        finished: What jobs have made, by what they were told; it is added to.

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
