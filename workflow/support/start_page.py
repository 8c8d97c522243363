"""The start page of `snakemake --report`: claims here and in the paper, data, parameters, versions.

Versions, processor and git revision are those of the machine and the working copy that write the
report, not those that made the results.
"""

import csv
import html
import json
import os
import platform
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from wpl.files import atomic
from wpl_lab.io.rendering import TABLES, to_html

PAGE = Path(".snakemake/start_page.html")
"""Included by workflow/report/workflow.rst."""
STUDIES = {
    "Two models in sequence": "evaluate_forgetting",
    "Architecture search on text": "evaluate_search/text",
    "Architecture search on images": "evaluate_search/images",
}
PACKAGES = ("wpl", "torch", "numpy", "scipy", "pandas", "scikit-learn", "snakemake", "dvc")
# Snakemake's page leaves a description a narrow column in the middle; wide tables need the page.
LAYOUT = """
div:has(> div > div > .prose .start) { align-items: flex-start; justify-content: flex-start; }
div:has(> div > .prose .start) { flex-direction: column; min-width: 0; }
div:has(> .prose .start), .prose:has(.start) { max-width: 100% !important; }
.start { font-size: 15px; line-height: 1.5; overflow-x: auto; max-width: 76rem; }
.start code::before, .start code::after { content: none; }
.start h2 { margin: 1.6rem 0 0.4rem; font-size: 1.2rem; font-weight: 600; }
.start summary { cursor: pointer; }
"""


def write(results: Path, config: Mapping[str, Any]) -> None:
    """Write the page to the file that the report includes."""
    with atomic(PAGE) as temporary:
        temporary.write_text(start_page(results, config), "utf-8")


def start_page(results: Path, config: Mapping[str, Any]) -> str:
    """Write the page.

    Args:
        results: The folder of the results; studies without results are left out.
        config: The configuration of the report.

    Returns:
        HTML without references to other files.
    """
    parts = [f'<div class="start"><style>.start {{{TABLES}}}{LAYOUT}</style>']
    for title, study in STUDIES.items():
        claims = results / study / "claims.md"
        if claims.exists():
            parts += [
                f"<h2>{title}: the paper against here</h2>",
                to_html(claims.read_text("utf-8")),
            ]
    parts += ["<h2>What was read</h2>", *_data(results)]
    parts += ["<h2>How it was made</h2>", _table(_surroundings(config))]
    for title, study in STUDIES.items():
        made_with = results / study / "params.json"
        if made_with.exists():
            params = json.loads(made_with.read_text("utf-8"))
            text = yaml.safe_dump(params, sort_keys=False, allow_unicode=True)
            parts.append(_folded(f"Parameters: {title.lower()}", f"<pre>{html.escape(text)}</pre>"))
    return "\n".join([*parts, "</div>"])


def _data(results: Path) -> Iterator[str]:
    for file in sorted((results / "evaluate_data").glob("*.csv")):
        with file.open(encoding="utf-8", newline="") as stream:
            head, *rows = csv.reader(stream)
        yield _folded(f"Data of section {file.stem}", _table(rows, head))


def _surroundings(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """List the facts needed to reproduce the results."""
    yield "seeds of the two models", ", ".join(map(str, config["seeds"]))
    for task, settings in config["search"].items():
        if isinstance(settings, Mapping) and "seeds" in settings:
            yield f"seeds of the searches, {task}", ", ".join(map(str, settings["seeds"]))
    yield "git revision", _revision()
    yield "report written", time.strftime("%Y-%m-%d %H:%M %Z")
    yield "processor", f"{_processor()}, {os.cpu_count()} cores"
    yield "system", f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    for package in PACKAGES:
        try:
            yield package, version(package)
        except PackageNotFoundError:  # run from a checkout
            yield package, "not installed"


def _revision() -> str:
    """Return the commit, and whether the working copy differs from it."""

    def git(*command: str) -> str:
        done = subprocess.run(["git", *command], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "HEAD") + (", with uncommitted changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "no git repository"


def _processor() -> str:
    """Return the model of the processor, if the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _table(rows: Iterable[Iterable[str]], head: Iterable[str] = ()) -> str:
    def line(cells: Iterable[str], tag: str) -> str:
        return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"

    body = "".join(line(row, "td") for row in rows)
    return f"<table><thead>{line(head, 'th')}</thead><tbody>{body}</tbody></table>"


def _folded(title: str, content: str) -> str:
    return f"<details><summary>{html.escape(title)}</summary>{content}</details>"
