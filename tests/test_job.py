"""The context manager of every script: threads, log and errors of a job."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import preloaded
from workspace import ROOT

from support import workspace

SCRIPT = """
import sys
from types import SimpleNamespace

import torch
from job import job

torch.set_num_threads(2)
rule = SimpleNamespace(rule="train_it", wildcards={"arm": "wpl"}, input=[], log=[sys.argv[1]])
with job(rule):
    print("threads", torch.get_num_threads())
    exec(sys.argv[2])
"""


def run(tmp_path, body, log=None):
    """Run a script with the given body; return its exit code, its output and its log."""
    environment = os.environ | {"WORKFLOW_PID": str(os.getpid())}
    environment["PYTHONPATH"] = os.pathsep.join([f"{ROOT}/src", f"{ROOT}/workflow/scripts"])
    log = log or tmp_path / "logs" / "it.log"
    program = ["python", "-c", SCRIPT, str(log), body]
    code, shown = preloaded.execute(program, tmp_path, environment)
    return code, shown, log.is_file() and log.read_text()


def test_a_job_runs_on_one_thread_and_logs_it(tmp_path):
    """Rounding depends on the number of threads, which is not part of a job's identity."""
    code, shown, log = run(tmp_path, "pass")
    assert (code, shown) == (0, "")
    first, printed, done, used = log.splitlines()
    assert (first, printed) == ("train_it arm=wpl", "threads 1")
    assert done.startswith("done in ")
    assert json.loads(used).keys() == {"seconds", "processor_seconds", "peak_mb"}


def test_an_error_that_a_user_can_fix_is_one_line(tmp_path):
    code, shown, log = run(tmp_path, "raise ValueError('seed 3 is too slow')")
    assert (code, shown) == (1, "error: train_it arm=wpl: seed 3 is too slow\n")
    assert "Traceback" in log


def test_a_bug_keeps_its_traceback(tmp_path):
    code, shown, log = run(tmp_path, "undefined")
    assert code == 1
    assert "Traceback" in shown
    assert "NameError" in log


def test_a_disk_too_full_for_the_log_is_one_line(tmp_path):
    code, shown, _ = run(tmp_path, "pass", log=Path("/dev/full"))
    assert (code, shown) == (1, "error: train_it arm=wpl: [Errno 28] No space left on device\n")


def test_an_error_message_of_several_lines_is_one_line(tmp_path):
    code, shown, _ = run(tmp_path, "raise ValueError('first\\n  second')")
    assert (code, shown) == (1, "error: train_it arm=wpl: first second\n")


def test_ctrl_c_ends_a_job_in_its_first_moments(monkeypatch):
    """There is no traceback of KeyboardInterrupt even before its imports."""
    for name in ("PYTHONPATH", "WORKFLOW_PID", "SNAKEMAKE_OUTPUT_CACHE"):
        monkeypatch.setenv(name, "")
    workspace.set_environment(ROOT)
    script = "print('begun', flush=True); import time; time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait() == -signal.SIGINT
        assert process.stderr.read() == b""
