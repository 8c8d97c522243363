"""Checks of params.yaml that must come before it is read."""

import sys
from pathlib import Path

ROOT = Path(workflow.basedir)
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "src")]

from support.plainly import plainly
from support.syntax import check_syntax

if workflow.is_main_process:
    with plainly():
        check_syntax(Path("params.yaml"))
