"""Images by class: the part and class of each file from its path, and checks of the layout."""

import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from wpl_lab.data.data_files import DataError, printable
from wpl_lab.data.file_trees import Tree
from wpl_lab.data.image_file import is_image
from wpl_lab.data.parts import PARTS, Part, part_of

_LAYOUT = (
    "expected train/<class>/<image>, optionally with valid (or val, validation) and test, "
    "or <class>/<image>"
)

_Classes = dict[str, list[str]]  # paths by class


@dataclass(frozen=True)
class Sorted:
    """Files by part and class.

    Attributes:
        classes: Names of the classes, in alphabetical order.
        names: For each part of the tree, the paths of its files; all in train if the tree has no
            parts.
        labels: For each of these parts, the number of the class of each file.
        left_out: Paths of the files that are not images.
    """

    classes: tuple[str, ...]
    names: Mapping[Part, NDArray[np.str_]]
    labels: Mapping[Part, NDArray[np.int64]]
    left_out: Sequence[str]


def by_class(tree: Tree) -> Sorted:
    """Sort the images of ``train/<class>/*``, ``valid/<class>/*``, ``test/<class>/*``.

    Valid and test may be missing, or have other names (see ``parts.part_of``). In a tree
    ``<class>/*``, everything is train. All of it may be inside further folders, as is common in
    archives. Files that are not images are left out (see ``image_file.is_image``).

    Returns:
        The images by part and class.

    Raises:
        DataError: If an image is elsewhere; if a class is empty or missing from a part; if there
            is only one class; if two folders are the same part.
    """
    images = sorted(name for name in tree.files if is_image(name, tree.read))
    if not images:
        raise DataError(f"{tree.root} holds no image; {_LAYOUT}")
    top = _top(images)
    parts = _parts(tree, {PurePosixPath(name).relative_to(top).parts[0] for name in images})
    names: dict[Part, _Classes] = defaultdict(lambda: defaultdict(list))
    for name in images:
        *where, _ = PurePosixPath(name).relative_to(top).parts
        if len(where) != 1 + bool(parts) or (parts and where[0] not in parts):
            deeper = len(where) > 1 + bool(parts) and (not parts or where[0] in parts)
            why = "is in a folder below a class" if deeper else "is not in the folder of a class"
            raise DataError(f"{tree.root / name} {why}; {_LAYOUT}")
        names[parts[where[0]] if parts else "train"][
            unicodedata.normalize("NFC", printable(where[-1]))
        ].append(name)
    _check_empty(tree, images, depth=len(PurePosixPath(top).parts) + 1 + bool(parts))
    classes = _classes(tree, names)
    given = [part for part in PARTS if part in names]
    return Sorted(
        classes,
        {part: np.concatenate([names[part][name] for name in classes]) for part in given},
        {
            part: np.repeat(np.arange(len(classes)), [len(names[part][name]) for name in classes])
            for part in given
        },
        sorted(set(tree.files) - set(images)),
    )


def _top(images: Sequence[str]) -> str:
    """Find the folder that contains all images and is neither a part nor a class."""
    paths = [PurePosixPath(name).parts for name in images]
    shared = [
        folders[0]
        for folders in zip(*(path[:-2] for path in paths), strict=False)
        if len(set(folders)) == 1
    ]
    named = [part_of(folder) is not None for folder in shared]
    return "/".join(shared[: named.index(True)] if any(named) else shared) or "."


def _parts(tree: Tree, folders: set[str]) -> dict[str, Part]:
    """Find the folders that are parts."""
    parts = {folder: part for folder in sorted(folders) if (part := part_of(folder))}
    for part in PARTS:
        same = [folder for folder in parts if parts[folder] == part]
        if len(same) > 1:
            raise DataError(f"{tree.root}: {same[0]} and {same[1]} are both the part {part}")
    if parts and "train" not in parts.values():
        raise DataError(f"{tree.root} has {min(parts)} but not train; {_LAYOUT}")
    return parts


def _check_empty(tree: Tree, images: Sequence[str], *, depth: int) -> None:
    """Check that every class folder has an image."""
    for folder in sorted(tree.folders - {str(PurePosixPath(name).parent) for name in images}):
        if len(PurePosixPath(folder).parts) == depth:
            raise DataError(f"{tree.root / folder} holds no image")


def _classes(tree: Tree, names: Mapping[Part, _Classes]) -> tuple[str, ...]:
    classes = sorted(names["train"])
    for part, found in names.items():
        for name in sorted(set(classes) ^ set(found)):
            where, lacking = (part, "train") if name in found else ("train", part)
            raise DataError(f"{tree.root}: class {name!r} is in {where} but not in {lacking}")
    if len(classes) < 2:
        raise DataError(f"{tree.root} has one class only, {classes[0]!r}; {_LAYOUT}")
    return tuple(classes)
