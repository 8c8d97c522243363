"""Write params.yaml: its values, and the description of each setting as a comment.

Run `make params` after a setting or its description has changed. DVC's writer (`dvc exp run -S`)
preserves this format. It replaces lists as a whole and loses a comment after a list, and
ruamel.yaml, which it uses, breaks the file when a list with a comment becomes empty. So the
comments of lists are at the head of their section, and the single values of a section come before
its lists.
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
    start = " " * indent
    order = sorted(values, key=lambda key: _rank(values[key]))
    lists = [key for key in order if isinstance(values[key], list)]
    for key in lists:
        yield from _comment(start, f"{key}: {about[key]}")
    if lists:
        yield ""
    for key in order:
        if is_dataclass(types[key]):
            yield from _comment(f"{start}{key}:  ", about.get(key) or inspect.getdoc(types[key]))
            yield from _section(types[key], values[key], indent + 2)
        else:
            if key not in lists:
                yield from _comment(start, about[key])
            yield from (start + line for line in dumps_yaml({key: values[key]}).splitlines())


def _rank(value: Any) -> int:
    """Sort single values before lists, and lists before sections."""
    return 2 if isinstance(value, dict) else int(isinstance(value, list))


def _comment(start: str, text: str) -> list[str]:
    """Format a comment after the start of a line; further lines are aligned below it."""
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
