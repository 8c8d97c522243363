"""Write params.yaml: its values, and the description of each setting as a comment.

`make params` runs this after a setting or its description has changed. The form is one that DVC's
writer (`dvc exp run -S`) keeps. The writer replaces lists as a whole, and loses a comment that
follows a list: so the comment of a list or a section stands on the line of its key, and the single
values of a section come before its lists.
"""

import ast
import inspect
import itertools
import textwrap
import typing
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import yaml
from dvc.utils.serialize import dumps_yaml

from support.params import Params, validate

WIDTH = 100
HEAD = """\
# All settings that change a result. `dvc exp run -S wpl.alpha=100` changes one: only the jobs that
# read it run again. Comments are written by `make params` from the settings' declarations.
"""


def render(values: Mapping[str, Any]) -> str:
    """Write all settings.

    Args:
        values: A valid configuration.

    Returns:
        The content of params.yaml.
    """
    return "\n".join([HEAD, *_section(Params, values, indent=0)]) + "\n"


def _section(settings: type, values: Mapping[str, Any], indent: int) -> Iterator[str]:
    about = descriptions(settings)
    types = typing.get_type_hints(settings)
    for key in sorted(values, key=lambda key: _order(values[key], types[key])):
        section = types[key] if is_dataclass(types[key]) else None
        first, *rest = dumps_yaml({key: {} if section else values[key]}).splitlines()
        text = about.get(key) or inspect.getdoc(section) or ""
        if _order(values[key], types[key]) == 0:
            yield from _comment(" " * indent, text)
            yield " " * indent + first
            continue
        yield from _comment(" " * indent + first.removesuffix(" {}") + "  ", text)
        yield from (" " * indent + line for line in rest)
        if section:
            yield from _section(section, values[key], indent + 2)


def _order(value: Any, declared: Any) -> int:
    """Single values come first, then lists, then sections."""
    if isinstance(value, dict):
        return 2
    return int(isinstance(value, list) or "tuple" in str(declared))


def _comment(start: str, text: str) -> list[str]:
    """Write a comment behind what a line starts with; further lines go below it."""
    below = " " * len(start)
    return textwrap.wrap(text, WIDTH, initial_indent=f"{start}# ", subsequent_indent=f"{below}# ")


def descriptions(settings: type) -> dict[str, str]:
    """Read the docstrings under the fields of a dataclass.

    Returns:
        By name of the field; one without a docstring is left out.
    """
    found = {}
    for part in filter(is_dataclass, reversed(settings.__mro__)):
        (declaration,) = ast.parse(textwrap.dedent(inspect.getsource(part))).body
        assert isinstance(declaration, ast.ClassDef)
        for field, text in itertools.pairwise(declaration.body):
            match field, text:
                case (
                    ast.AnnAssign(target=ast.Name(name)),
                    ast.Expr(ast.Constant(str() as description)),
                ):
                    found[name] = inspect.cleandoc(description)
    return found


if __name__ == "__main__":
    file = Path("params.yaml")
    file.write_text(render(validate(yaml.safe_load(file.read_text("utf-8")))), "utf-8")
