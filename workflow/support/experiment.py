"""Run a DVC experiment with an overlay: `make experiment OVERLAY=config/smoke.yaml`.

Snakemake's `--configfile` does not change params.yaml, so that DVC would not record it. Here every
value of the overlay is set by `dvc exp run -S`, so that it is in the experiment's params.yaml.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from wpl_lab.io.yaml_syntax import fault_in


def settings(values: Mapping[str, Any], *above: str) -> Iterator[str]:
    """List the values of an overlay as `-S` takes them: ``wpl.alpha=3.0``, ``seeds=[0,1]``."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from settings(value, *above, key)
        else:
            yield f"{'.'.join((*above, key))}={json.dumps(value, ensure_ascii=False)}"


def main(overlay: str, *options: str) -> None:
    """Run an experiment.

    Args:
        overlay: File with values that replace those in params.yaml.
        *options: More options of `dvc exp run`.
    """
    if fault := fault_in(Path(overlay)):
        sys.exit(f"error: {fault}")
    values = yaml.safe_load(Path(overlay).read_text("utf-8"))
    changed = [part for setting in settings(values) for part in ("--set-param", setting)]
    sys.exit(subprocess.run(["dvc", "exp", "run", *changed, *options]).returncode)  # noqa: PLW1510


if __name__ == "__main__":
    main(*sys.argv[1:])
