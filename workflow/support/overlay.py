"""Run a file of changes of params.yaml as an experiment of DVC, which records them.

    python workflow/support/overlay.py config/smoke.yaml --name smoke

is `dvc exp run --name smoke` with a `-S key=value` for each value in the file.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml


def settings(changes: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Write changes as ``key=value``, keys with dots."""
    for key, value in changes.items():
        if isinstance(value, Mapping):
            yield from settings(value, f"{above}{key}.")
        else:
            yield f"{above}{key}={json.dumps(value, separators=(',', ':'))}"


def command(file: Path, *options: str) -> list[str]:
    """Write the command that runs a file of changes."""
    changes = yaml.safe_load(file.read_text("utf-8"))
    return ["dvc", "exp", "run", *options, *(w for s in settings(changes) for w in ("-S", s))]


if __name__ == "__main__":
    words = command(Path(sys.argv[1]), *sys.argv[2:])
    os.execvp(words[0], words)  # noqa: S606
