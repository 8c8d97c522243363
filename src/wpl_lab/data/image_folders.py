"""Images by class: which part and class a file belongs to by its path, and what is wrong there."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from wpl_lab.data.data_files import DataError
from wpl_lab.data.file_trees import Tree
from wpl_lab.data.images import PARTS, Part

_LOG = logging.getLogger(__name__)
_LAYOUT = "expected train/<class>/<image>, with valid and test likewise or not, or <class>/<image>"


@dataclass(frozen=True)
class Sorted:
    """Files by part and class.

    Attributes:
        classes: Names of the classes, by the alphabet.
        names: For each part that the tree has, the paths of its files; all in train where the tree
            has no parts.
        labels: For each of these parts, the number of the class of each file.
    """

    classes: tuple[str, ...]
    names: Mapping[Part, NDArray[np.str_]]
    labels: Mapping[Part, NDArray[np.int64]]


def by_class(tree: Tree) -> Sorted:
    """Sort the files of ``train/<class>/*``, ``valid/<class>/*``, ``test/<class>/*``.

    Valid and test may be missing; ``<class>/*`` is a tree that is all train. All of it may stand in
    one more folder, as archives often have it.

    Returns:
        The files by part and class.

    Raises:
        DataError: If a file stands elsewhere; if a class is empty or not in every part; if there
            is only one.
    """
    top = _top(tree)
    inner = {name: PurePosixPath(name).relative_to(top).parts for name in tree.files}
    first = {parts[0] for parts in inner.values()}
    split = bool(first & set(PARTS))
    if split and "train" not in first:
        raise DataError(f"{tree.root} has {min(first & set(PARTS))} but not train; {_LAYOUT}")
    names: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name in sorted(inner):
        *where, _ = inner[name]
        if len(where) != 1 + split or (split and where[0] not in PARTS):
            raise DataError(f"{tree.root / name} is not where an image can be; {_LAYOUT}")
        names[where[0] if split else "train"][where[-1]].append(name)
    for folder in sorted(tree.folders - {str(PurePosixPath(name).parent) for name in inner}):
        depth = len(PurePosixPath(folder).parts) - len(PurePosixPath(top).parts)
        if depth == 1 + split:
            raise DataError(f"{tree.root / folder} holds no image")
    classes = _classes(tree, names)
    given = [part for part in PARTS if part in names]
    return Sorted(
        classes,
        {part: np.concatenate([names[part][name] for name in classes]) for part in given},
        {
            part: np.repeat(np.arange(len(classes)), [len(names[part][name]) for name in classes])
            for part in given
        },
    )


def warn_of_overlap(names: Mapping[Part, Sequence[str]], digests: Mapping[str, bytes]) -> None:
    """Say in the log how many images of valid and test are in train too, byte for byte."""
    train = {digests[name] for name in names["train"]}
    for part in ("valid", "test"):
        known = [name for name in names[part] if digests[name] in train]
        if known:
            _LOG.warning(
                "warning: %d of %d %s images are in train too, byte for byte; one is %s",
                len(known),
                len(names[part]),
                part,
                known[0],
            )


def _top(tree: Tree) -> str:
    """Find the one folder that all stands in, if there is one that is neither part nor class."""
    if not tree.files:
        raise DataError(f"{tree.root} holds no image; {_LAYOUT}")
    paths = [PurePosixPath(name) for name in tree.files]
    (first, *others) = {path.parts[0] for path in paths}
    wrapped = not others and first not in PARTS and all(len(path.parts) > 2 for path in paths)
    return first if wrapped else "."


def _classes(tree: Tree, names: Mapping[str, Mapping[str, object]]) -> tuple[str, ...]:
    classes = sorted(names["train"])
    for part, found in names.items():
        for name in sorted(set(classes) ^ set(found)):
            where, lacking = (part, "train") if name in found else ("train", part)
            raise DataError(f"{tree.root}: class {name!r} is in {where} but not in {lacking}")
    if len(classes) < 2:
        raise DataError(f"{tree.root} has one class only, {classes[0]!r}; {_LAYOUT}")
    return tuple(classes)
