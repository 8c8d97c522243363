"""Texts whose numbers come from results: Markdown with the marks of Jinja."""

from typing import Any

from jinja2 import Environment, StrictUndefined


def render(template: str, **values: Any) -> str:
    """Fill in a template.

    Args:
        template: Its text.
        **values: What it may ask for, by name.

    Returns:
        The text, with one newline at its end.

    Raises:
        jinja2.UndefinedError: If the template asks for something else.
    """
    environment = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701 - Markdown
    return environment.from_string(template).render(**values).strip() + "\n"
