"""Documents whose numbers come from results: Jinja templates in Markdown, and HTML pages."""

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
