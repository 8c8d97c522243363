"""What several test files need."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

from workspace import Workspace

# One thread, as the jobs of the workflow: small products are slower, and sums differ, with two.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def recorded(tmp_path_factory):
    """A working copy in which everything has run and is recorded by DVC and git; do not change."""
    workspace = Workspace.create(tmp_path_factory.mktemp("recorded") / "project")
    workspace("dvc exp run --quiet && git add -A && git commit -q -m run")
    return workspace


@pytest.fixture
def project(recorded, tmp_path):
    """A copy of it to play with."""
    copy = recorded.copy(tmp_path / "project")
    copy.ran()
    return copy
