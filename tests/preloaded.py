"""Run Snakemake, its jobs and DVC in processes forked from one that has imported their packages.

Imports take one to three seconds of each command and of each job, more than everything else in the
smoke configuration. If a test sends a signal to a process, limits it or looks for it in the process
list, the process is started as by a user, with ``Workspace.begin``.
"""

import atexit
import multiprocessing
import os
import runpy
import shlex
import signal
import subprocess
import sys
import tempfile
import traceback

COMMANDS = ("snakemake", "dvc")
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [
        *("snakemake.cli", "snakemake.script", "dvc.cli", "dvc.repo", "dvc.repo.experiments"),
        *("dvc.stage.run", "dvc_data.index", "torch", "safetensors.torch", "pandas", "scipy.stats"),
        *("matplotlib.pyplot", "sklearn.datasets", "markdown_it", "jinja2", "pydantic", "regex"),
        "PIL.Image",
    ]
)


def understands(command):
    """Tell whether a command is one of these programs and uses no other features of the shell."""
    return command.startswith(tuple(f"{name} " for name in COMMANDS)) and not set(command) & set(
        "&|;<>$*`\n"
    )


def run(command, folder, environment):
    """Run a command in a folder, and return its exit code and output."""
    with tempfile.NamedTemporaryFile("r", errors="replace") as printed:
        process = PROCESSES.Process(
            target=_main, args=(shlex.split(command), folder, environment, printed.name)
        )
        process.start()
        process.join()
        return process.exitcode, printed.read()


def _main(command, folder, environment, printed):
    atexit._clear()  # handlers of the parent process
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    output = os.open(printed, os.O_WRONLY)
    os.dup2(output, 1)
    os.dup2(output, 2)
    program, *arguments = command
    sys.argv = command
    try:
        if program == "snakemake":
            from snakemake.cli import main
            from snakemake.script import PythonScript

            PythonScript.execute_script = _execute
        else:
            from dvc.cli import main
        sys.exit(main(arguments))
    finally:
        atexit._run_exitfuncs()


def _execute(job, script, edit=False):
    """Run the script of a job; replaces the method of Snakemake that starts Python."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if not child:
        os._exit(_script(script))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        raise subprocess.CalledProcessError(code, script)


def _script(file):
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    code = 0
    try:
        runpy.run_path(file, run_name="__main__")
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code
