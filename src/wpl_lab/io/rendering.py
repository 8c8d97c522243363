"""Documents whose numbers come from results: Jinja templates in Markdown, and HTML pages."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from jinja2 import Environment, StrictUndefined
from markdown_it import MarkdownIt

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 72rem; margin: 2rem auto; }
"""
"""Of pages in the report: they are read without a network, so nothing is fetched."""
TABLES = """
table { border-collapse: collapse; margin: 1rem 0; font-size: 13px; }
th, td { border-bottom: 1px solid #ccc; padding: 0.3rem 0.7rem; text-align: left; }
th { border-bottom: 2px solid #666; vertical-align: bottom; }
tbody tr:nth-child(even) { background: #f5f5f5; }
code, pre { font-family: ui-monospace, monospace; font-size: 12px; }
"""
"""Likewise, of tables and code."""


def render(template: str, **values: Any) -> str:
    """Render a template.

    Args:
        template: Its text.
        **values: Variables of the template.

    Returns:
        The text, with one newline at its end.

    Raises:
        jinja2.UndefinedError: If the template uses another variable.
    """
    environment = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701 - Markdown
    return environment.from_string(template).render(**values).strip() + "\n"


def number(value: float, digits: int, *, signed: bool = False) -> str:
    """Print a number with a typographic minus sign.

    Args:
        value: The number; one that is not finite is printed as a dash.
        digits: Decimals.
        signed: Whether a plus sign is printed.

    Returns:
        The text.
    """
    if not math.isfinite(value):
        return "–"
    text = f"{value:{'+' if signed else ''}.{digits}f}"
    if float(text) == 0:
        text = text.replace("-", "+" if signed else "")
    return text.replace("-", "−")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def to_html(markdown: str) -> str:
    """Render Markdown, tables included, as a piece of HTML."""
    return str(MarkdownIt().enable("table").render(markdown))


def page(markdown: str) -> str:
    """Render Markdown as a whole HTML page.

    Args:
        markdown: Its text, which begins with a heading.

    Returns:
        The page; its title is the heading.
    """
    title = markdown.partition("\n")[0].lstrip("# ")
    head = f'<meta charset="utf-8"><title>{title}</title><style>{STYLE}{TABLES}</style>'
    body = to_html(markdown)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}</body></html>\n'
