"""Documents whose numbers come from results: Markdown templates for Jinja."""

from typing import Any

from jinja2 import Environment, StrictUndefined


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
