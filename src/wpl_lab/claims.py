"""Render what documents claim of the results, by templates: no number is typed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from wpl_lab.arms import TITLES
from wpl_lab.io.files import load_table
from wpl_lab.search.judging.claims import Claims
from wpl_lab.search.judging.outcomes import OUTCOMES
from wpl_lab.search.judging.truth import BOUND, CEILING, CHANCE
from wpl_lab.search.search_names import ERROR_NAMES, METHOD_NAMES

WORDS = {
    "titles": TITLES,
    "methods": METHOD_NAMES,
    "outcomes": OUTCOMES,
    "yardsticks": (CEILING, BOUND, CHANCE),
}
"""What every template may use beside the results."""


def searches(results: Path) -> dict[str, Claims]:
    """Read what the searches of each task were judged by.

    Args:
        results: A folder with a folder for each task that was judged, as
            ``results/evaluate_search``.

    Returns:
        The tables by the name of the task.
    """
    names = ("arms", "verdicts", "yardsticks")
    return {
        task: Claims(**{name: load_table(results / task / f"{name}.csv") for name in names})
        for task in ERROR_NAMES
        if (results / task).is_dir()
    }


def render(template: Path, results: Mapping[str, Any]) -> str:
    """Fill in a template.

    Args:
        template: Markdown with the marks of Jinja.
        results: By name, what it may ask for beside ``WORDS``.

    Returns:
        The text, with one newline at its end.

    Raises:
        jinja2.UndefinedError: If the template asks for something else.
    """
    environment = Environment(
        loader=FileSystemLoader(template.parent),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - Markdown, of our own tables
        trim_blocks=False,
    )
    text = environment.get_template(template.name).render(**WORDS, **results)
    return text.strip() + "\n"
