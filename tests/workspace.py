"""A copy of the project in which a test may run, change and break things."""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import preloaded
import pytest
import yaml

ROOT = Path(__file__).parents[1]
COMMANDS = Path(sys.executable).parent
RULE = re.compile(r"^rule (\w+):\n(.*?)(?=^rule |\Z)", re.MULTILINE | re.DOTALL)
RULES = {
    name: body
    for file in sorted((ROOT / "workflow" / "rules").glob("*.smk"))
    for name, body in RULE.findall(file.read_text())
}
"""The rules of the workflow: body by name."""
PLOTS = [f"plot_two_models/{figure}" for figure in ("convergence", "forgetting", "tradeoff")]
"""The jobs that plot the figures of the two models."""


def overlay(params, changes):
    """Merge changes into params, as Snakemake's --configfile does."""
    merged = dict(params)
    for key, value in changes.items():
        deep = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = overlay(merged[key], value) if deep else value
    return merged


class Workspace:
    """A working copy of the project with the parameters of config/smoke.yaml."""

    def __init__(self, path):
        self.path = path
        self.begun = []

    @classmethod
    def create(cls, path):
        """Copy the files that git tracks or would add, without results."""
        listed = subprocess.check_output(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT
        )
        for name in filter(None, listed.decode().split("\0")):
            if (ROOT / name).is_file() and not name.startswith("results/") and name != "dvc.lock":
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, path / name)
        self = cls(path)
        smoke = yaml.safe_load((ROOT / "config/smoke.yaml").read_text())
        params = yaml.safe_load((ROOT / "params.yaml").read_text())
        (path / "params.yaml").write_text(yaml.safe_dump(overlay(params, smoke), sort_keys=False))
        self("git init -q -b main . && git add -A && git commit -q -m start")
        return self

    def copy(self, path):
        shutil.copytree(self.path, path, symlinks=True)
        return Workspace(path)

    def __call__(self, command, *, fails=False, fresh=False):
        """Run a shell command in the working copy, and return its output.

        Args:
            command: Snakemake or DVC is forked from a process that has imported its packages.
                Commands joined by ``&&`` run one after another.
            fails: Whether the last command must fail.
            fresh: Whether Python is started anew for the command and for each job, as for a user.
        """
        *first, last = command.split(" && ")
        for part in first:
            self(part, fresh=fresh)
        if preloaded.understands(last) and not fresh:
            code, printed = preloaded.run(last, self.path, self.environment())
        else:
            code, printed = self._started(last)
        assert (code != 0) == fails, f"{last}\n{printed}"
        return printed

    def _started(self, command):
        process = subprocess.run(
            command,
            shell=True,
            check=False,
            cwd=self.path,
            env=self.environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return process.returncode, process.stdout

    def begin(self, command):
        """Start a shell command in a session of its own, with its output in a pipe."""
        # A shell starts background processes, such as these tests, with SIGINT ignored.
        ignored = signal.signal(signal.SIGINT, signal.default_int_handler)
        run = subprocess.Popen(
            f"exec {command}",
            shell=True,
            cwd=self.path,
            env=self.environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        signal.signal(signal.SIGINT, ignored)
        self.begun.append(run)
        return run

    def end(self):
        """Kill the processes that a failed test has left running."""
        for run in self.begun:
            if run.poll() is None:
                os.killpg(run.pid, signal.SIGKILL)
                run.communicate()

    def jobs(self):
        """Return the scripts that are running in the working copy: name by process id."""
        scripts = rf"{self.path}/\.snakemake/scripts"
        script = re.compile(rf"[^\0]*python[^\0]*\0{scripts}/\w+\.(\w+)\.py\0")
        found = {}
        for process in Path("/proc").glob("[1-9]*"):
            with contextlib.suppress(OSError):  # it has ended
                if job := script.match((process / "cmdline").read_text("utf-8", "replace")):
                    found[int(process.name)] = job[1]
        return found

    def environment(self):
        """Return a user's environment, without variables set by a run that contains the tests."""
        dropped = ("SNAKEMAKE", "PYTHONPATH", "CORES", "WORKFLOW_PID", "DVC")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
        name = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b"}
        name |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
        return kept | name | {"PATH": f"{COMMANDS}{os.pathsep}{kept['PATH']}"}

    def edit(self, file, old, new):
        text = (self.path / file).read_text()
        assert old in text, f"{old!r} is not in {file}"
        (self.path / file).write_text(text.replace(old, new))

    def set(self, key, value):
        """Change one value in params.yaml."""
        for name in reversed(key.split(".")):
            value = {name: value}
        params = yaml.safe_load((self.path / "params.yaml").read_text())
        text = yaml.safe_dump(overlay(params, value), sort_keys=False)
        (self.path / "params.yaml").write_text(text)

    def plan(self, *arguments, fails=False):
        """Return the output of a dry run."""
        dry = ["--dry-run", "--cores", "1", "--quiet", "rules"]
        return self(shlex.join(["snakemake", *arguments, *dry]), fails=fails)

    def planned(self):
        """Return the rules that would run, with their numbers of jobs."""
        return table(self.plan())

    def ran(self):
        """Return the jobs that have run since the last call; a job that was restored has no log."""
        logs = self.path / "logs"
        written = [p for p in logs.rglob("*.log") if p.stat().st_size]
        names = sorted(str(p.relative_to(logs).with_suffix("")) for p in written)
        shutil.rmtree(logs, ignore_errors=True)
        return names

    def order(self):
        """Return the logs of the jobs that have run, in the order in which they ended."""
        logs = [p for p in (self.path / "logs").rglob("*.log") if p.stat().st_size]
        return [p.relative_to(self.path) for p in sorted(logs, key=lambda p: p.stat().st_mtime)]

    def results(self):
        """Return the bytes of all results by name."""
        found = (self.path / "results").rglob("*")
        return {
            str(p.relative_to(self.path)): p.read_bytes()
            for p in sorted(found)
            if p.is_file() and p.name != ".gitignore"
        }


def rules(jobs):
    """Return the rules of jobs that are named by their logs."""
    return {job.partition("/")[0] for job in jobs}


def table(printed):
    """Parse the output of a dry run: number of jobs by rule."""
    rows = printed.partition("Job stats:")[2].splitlines()
    return {row.split()[0]: int(row.split()[1]) for row in rows if _is_row(row)}


def _is_row(line):
    words = line.split()
    return len(words) == 2 and words[1].isdigit() and words[0] not in ("total", "all")


def wait_until(condition, run=None, *, seconds=600, every=0.05):
    """Wait until a condition holds, also on a slow machine.

    Args:
        condition: Returns whether it holds.
        run: A process that must keep running until then; its early end is an error with its output.
        seconds: Time limit, after which waiting is an error.
        every: Seconds between two checks.
    """
    end = time.monotonic() + seconds
    while not condition():
        if run is not None and run.poll() is not None and not condition():
            pytest.fail(f"ended with {run.returncode} too early:\n{run.communicate()[0]}")
        assert time.monotonic() < end, f"waited for {seconds} s"
        time.sleep(every)
