"""Checks that params.yaml is YAML without duplicate keys, with better errors than Snakemake's."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from snakemake.exceptions import WorkflowError
from yaml.nodes import MappingNode, Node, SequenceNode


def check_syntax(path: Path) -> None:
    """Check the syntax of a file.

    Raises:
        WorkflowError: If it cannot be read, is not YAML, is not a mapping, or repeats a key, of
            which YAML readers would silently take the last; names file and line.
    """
    try:
        text = path.read_text("utf-8")
        tree = yaml.compose(text, yaml.SafeLoader)
        yaml.safe_load(text)
    except OSError as error:
        raise WorkflowError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise WorkflowError(f"{path}: is not UTF-8: {error}") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise WorkflowError(f"{path}, line {line}: is not YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise WorkflowError(f"{path}: is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(tree, MappingNode):
        raise WorkflowError(f"{path}: expected keys with values, found {_kind(tree)}")
    for key in _repeated(tree, set()):
        raise WorkflowError(
            f"{path}, line {key.start_mark.line + 1}: repeats the key {key.value!r}"
        )


def check_command_line(config: Mapping[str, Any]) -> None:
    """Check the arguments of ``--config``.

    Raises:
        WorkflowError: If one is a section, in which Snakemake would convert numbers to text.
    """
    for name, value in config.items():
        if isinstance(value, Mapping | list):
            raise WorkflowError(
                f"--config {name}=...: Snakemake reads numbers in sections and lists as text; "
                "change params.yaml, write a file for --configfile, or use `dvc exp run -S`"
            )


def _kind(tree: Node | None) -> str:
    if tree is None:
        return "nothing"
    return "a list" if isinstance(tree, SequenceNode) else "a single value"


def _repeated(node: Node, seen: set[int]) -> Iterator[Node]:
    if id(node) in seen or not isinstance(node.value, list):
        return
    seen.add(id(node))  # an alias can contain itself
    if isinstance(node, SequenceNode):
        for item in node.value:
            yield from _repeated(item, seen)
        return
    names = set()
    for key, value in node.value:
        name = key.value if isinstance(key.value, str) else id(key)
        if name in names:
            yield key
        names.add(name)
        yield from _repeated(value, seen)
