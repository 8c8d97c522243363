"""The syntax of files with settings: YAML without duplicate keys."""

from collections.abc import Iterator
from pathlib import Path

import yaml
from yaml.nodes import MappingNode, Node, SequenceNode


def fault_in(path: Path) -> str | None:
    """Find what makes a file unusable, in better words than those of YAML readers.

    Args:
        path: The file.

    Returns:
        A line that names file and line, if it cannot be read, is not YAML, is not a mapping, or
        repeats a key, of which YAML readers would silently take the last; else None.
    """
    try:
        text = path.read_text("utf-8")
        tree = yaml.compose(text, yaml.SafeLoader)
        yaml.safe_load(text)
    except OSError as error:
        return f"{path}: cannot be read: {error.strerror}"
    except UnicodeDecodeError as error:
        return f"{path}: is not UTF-8: {error}"
    except yaml.YAMLError as error:
        return f"{path}{_where(error)}"
    if not isinstance(tree, MappingNode):
        return f"{path}: expected keys with values, found {_kind(tree)}"
    key = next(_repeated(tree, set()), None)
    if key is not None:
        return f"{path}, line {key.start_mark.line + 1}: repeats the key {key.value!r}"
    return None


def _where(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError):
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return f", line {line}: is not YAML: {error.problem}"
    return f": is not YAML: {' '.join(str(error).split())}"


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
