"""Fixtures and settings shared by the test files."""

import fcntl
import gc
import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import torch
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

from workspace import Workspace, wait_until

# Hypothesis draws the same examples in each run.
settings.register_profile("project", derandomize=True, deadline=None)
settings.load_profile("project")
# One thread, like the jobs of the workflow: with two, small products are slower and sums differ.
torch.set_num_threads(1)


def pytest_collection_modifyitems(items):
    """Begin with long tests and those of ``recorded``; meanwhile, other workers run others."""
    items.sort(
        key=lambda item: (not item.get_closest_marker("long"), "recorded" not in item.fixturenames)
    )


def pytest_collection_finish():
    """Keep the imported packages out of the garbage collector's searches, which saves time."""
    gc.freeze()


def pytest_sessionfinish():
    """Let the garbage collector search them again, as some report what it leaves behind."""
    gc.unfreeze()


def pytest_runtest_setup():
    """Seed torch, so that a test does not depend on the tests before it."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def recorded(tmp_path_factory):
    """Return a working copy in which everything has run and is recorded by DVC and git.

    It must not be changed. The workers of pytest-xdist share it; the first that needs it makes it.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    path, done = folder / "recorded/project", folder / "recorded/done"
    path.parent.mkdir(exist_ok=True)
    with (folder / "recorded/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(path, ignore_errors=True)
            workspace = Workspace.create(path)
            workspace("snakemake --cores all --quiet all")
            workspace("dvc exp run --quiet")
            workspace("git add -A && git commit -q -m run")
            done.touch()
    return Workspace(path)


@pytest.fixture(scope="module")
def shared(recorded, tmp_path_factory):
    """Return a copy of ``recorded`` for the tests of a file that only plan."""
    copy = recorded.copy(tmp_path_factory.mktemp("shared") / "project")
    copy.ran()
    return copy


@pytest.fixture
def planning(shared):
    """Return ``shared``, and undo the changes of the test."""
    yield shared
    shared("git checkout --quiet .")


@pytest.fixture
def project(recorded, tmp_path):
    """Return a copy of ``recorded`` that the test may change."""
    copy = recorded.copy(tmp_path / "project")
    copy.ran()
    yield copy
    copy.end()


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory):
    """Start an S3 server with a bucket, and return its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("s3") / "log"
    with log.open("w") as stream:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=stream,
            stderr=stream,
        )
    address = f"http://127.0.0.1:{port}"
    bucket = urllib.request.Request(f"{address}/bucket", method="PUT")

    def is_up():
        try:
            return urllib.request.urlopen(bucket).status == 200
        except urllib.error.URLError:
            assert server.poll() is None, log.read_text()
            return False

    wait_until(is_up)
    yield address
    server.terminate()
    server.wait()


@pytest.fixture
def s3(s3_server, monkeypatch):
    """Return the address of the S3 server, with credentials for its clients in the environment."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "anything")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return s3_server
