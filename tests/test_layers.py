"""The layers of packages in CONTRIBUTING.md match the imports."""

import re
import subprocess
import tomllib

from workspace import ROOT


def test_imports_keep_to_the_layers():
    """Import Linter checks all imports against the contracts in pyproject.toml."""
    done = subprocess.run(
        ["lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "2 kept, 0 broken" in done.stdout


def test_the_diagram_is_the_contract():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = contracts["contracts"][0]["layers"]
    (diagram,) = re.findall(r"```text\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    drawn = [line.partition("  ")[0] for line in diagram.splitlines() if not line.startswith(" ")]
    assert drawn == layers
