"""Run programs in processes forked from one that has imported their packages.

Snakemake with its jobs, and DVC with its stages: imports take one to three seconds of each command
and of each job, more than everything else in the smoke configuration. If a test sends a signal to a
process, limits it or looks for it in the process list, the process is started as by a user, with
``Workspace.begin``; so are those of the tests that ask for it with ``fresh``.
"""

import atexit
import multiprocessing
import os
import re
import runpy
import shlex
import signal
import subprocess
import sys
import tempfile
import traceback

PROGRAMS = ("snakemake", "dvc")
COMMAND = re.compile(r"(\w+=[^\s&|;<>$*`]* )*(snakemake|dvc) [^&|;<>$*`\n]*")
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [
        *("snakemake.cli", "snakemake.script", "dvc.cli", "dvc.repo", "dvc.repo.experiments"),
        *("dvc.stage.run", "dvc_data.index", "torch", "safetensors.torch", "pandas", "scipy.stats"),
        *("matplotlib.pyplot", "sklearn.datasets", "markdown_it", "jinja2", "pydantic", "regex"),
        *("PIL.Image", "dvc.cli.parser", "dvc.repo.index", "snakemake.report.html_reporter"),
        *("snakemake_storage_plugin_s3", "preloaded_packages"),
    ]
)


def understands(command):
    """Tell whether a command is one of these programs and uses no other features of the shell."""
    return bool(COMMAND.fullmatch(command))


def run(command, folder, environment):
    """Run a command in a folder, and return its exit code and output."""
    words = shlex.split(command)
    at = next(k for k, word in enumerate(words) if word in PROGRAMS)
    variables = environment | dict(word.split("=", 1) for word in words[:at])
    return execute(words[at:], folder, variables)


def execute(words, folder, environment):
    """Run a program, and return its exit code and output.

    Args:
        words: Name and arguments of Snakemake or DVC, or those of ``python -c``.
        folder: Working directory.
        environment: Variables.
    """
    with tempfile.NamedTemporaryFile("r", errors="replace") as printed:
        process = PROCESSES.Process(
            target=_main, args=(words, str(folder), dict(environment), printed.name)
        )
        process.start()
        process.join()
        return process.exitcode, printed.read()


def _main(command, folder, environment, printed):
    atexit._clear()  # handlers of the parent process
    output = os.open(printed, os.O_WRONLY)
    os.dup2(output, 1)
    os.dup2(output, 2)
    try:
        _program(command, folder, environment)
    finally:
        atexit._run_exitfuncs()


def _program(command, folder, environment):
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    program, *arguments = command
    sys.argv = command
    if program == "snakemake":
        import snakemake.script
        from snakemake.cli import main

        snakemake.script.PythonScript.execute_script = _execute
    elif program == "dvc":
        import dvc.stage.run
        from dvc.cli import main

        dvc.stage.run._run = _stage
    else:
        _, code, *sys.argv[1:] = arguments
        sys.path[:0] = environment.get("PYTHONPATH", "").split(os.pathsep)
        exec(code, {"__name__": "__main__"})
        return
    sys.exit(main(arguments))


def _execute(job, script, edit=False):
    """Run the script of a job; replaces the method of Snakemake that starts Python."""
    code = _forked(runpy.run_path, script, run_name="__main__")
    if code:
        raise subprocess.CalledProcessError(code, script)


def _stage(executable, command, *, cwd, env, **_):
    """Run the command of a stage; replaces the function of DVC that starts a shell."""
    from dvc.stage.exceptions import StageCmdFailedError

    expand = [executable, "-c", f"printf '%s\\n' {command}"]
    words = subprocess.check_output(expand, env=env, text=True).splitlines()
    code = _forked(_program, words, cwd, env)
    if code:
        raise StageCmdFailedError(command, code)


def _forked(function, *arguments, **options):
    """Call a function in a fork of this process, and return its exit code."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if not child:
        os._exit(_code_of(function, *arguments, **options))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _code_of(function, *arguments, **options):
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    atexit._clear()
    code = 0
    try:
        function(*arguments, **options)
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code
