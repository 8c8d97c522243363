"""Facts about images, and warnings about likely mistakes."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from wpl_lab.data.data_files import printable
from wpl_lab.data.decoding import Decoded
from wpl_lab.data.facts import WARNING, Fact
from wpl_lab.data.file_trees import Tree
from wpl_lab.data.image_folders import Sorted
from wpl_lab.data.images import Images
from wpl_lab.data.parts import PARTS, Part

_UNEVEN = 10  # ratio of training images of two classes from which to warn


def image_facts(images: Images) -> list[Fact]:
    """Collect the facts about a data set: counts, shape, files, what was left out, warnings."""
    shape = "×".join(map(str, images.pixels["train"].shape[1:]))
    bits = 8 * images.pixels["train"].element_size()
    names = images.about.get("classes") or [str(label) for label in range(images.classes)]
    counts = {part: images.labels[part].bincount(minlength=len(names)).tolist() for part in PARTS}
    return [
        Fact("source", note=str(images.about.get("source", ""))),
        Fact("shape", note=f"{shape} (channel × height × width), {bits} bits"),
        Fact("images", {part: sum(counts[part]) for part in PARTS}),
        *(
            Fact(f"class {name}", {part: counts[part][label] for part in PARTS})
            for label, name in enumerate(names)
        ),
        *(Fact(**fact) for fact in images.about.get("facts", [])),
        *(Fact(WARNING, note=note) for note in _of_counts(names, counts)),
    ]


def facts_of_files(
    tree: Tree,
    files: Sorted,
    decoded: Decoded,
    names: Mapping[Part, Sequence[str]],
    labels: Mapping[Part, NDArray[np.int64]],
) -> list[Fact]:
    """Collect the facts about image files.

    Args:
        tree: The folder or archive.
        files: Its files by part and class.
        decoded: The images that were decoded.
        names: The path of each image, by the part it was assigned to.
        labels: The class of each image ``(image)``, by part.

    Returns:
        The facts.
    """
    facts = []
    if len(decoded.sizes) > 1:
        smallest, largest = min(decoded.sizes), max(decoded.sizes)
        note = " to ".join(f"{height}×{width}" for height, width in (smallest, largest))
        facts.append(Fact("sizes before resizing", note=note))
    for trait, having in sorted(decoded.traits.items()):
        of = set(having)
        counts: dict[Part, float | str] = {
            part: sum(name in of for name in names[part]) for part in PARTS
        }
        note = "" if trait.startswith("mode") else f"such as {printable(having[0])}"
        facts.append(Fact(trait, counts, note))
    for reason, paths in (("no image", files.left_out), ("hidden", tree.hidden)):
        if paths:
            shown = ", ".join(map(printable, paths[:5])) + (", …" if len(paths) > 5 else "")
            facts.append(Fact(f"left out, {reason}", note=f"{len(paths)}: {shown}"))
    warnings = [*_of_overlap(names, decoded.digests), *_of_traits(files, decoded, names, labels)]
    return [*facts, *(Fact(WARNING, note=note) for note in warnings)]


def _of_overlap(names: Mapping[Part, Sequence[str]], digests: Mapping[str, bytes]) -> Iterator[str]:
    train = {digests[name] for name in names["train"]}
    for part in ("valid", "test"):
        known = [name for name in names[part] if digests[name] in train]
        if known:
            yield (
                f"{len(known)} of {len(names[part])} {part} images are in train too, byte for "
                f"byte; one is {printable(known[0])}"
            )


def _of_traits(
    files: Sorted,
    decoded: Decoded,
    names: Mapping[Part, Sequence[str]],
    labels: Mapping[Part, NDArray[np.int64]],
) -> Iterator[str]:
    """Find traits that reveal the class: all images of some classes have it, none of the others."""
    of = {
        name: label
        for part in PARTS
        for name, label in zip(names[part], labels[part].tolist(), strict=True)
    }
    total = np.bincount(list(of.values()), minlength=len(files.classes))
    for trait, having in sorted(decoded.traits.items()):
        found = np.bincount([of[name] for name in having], minlength=len(files.classes))
        if trait == "of one colour only":
            yield f"images of one colour only: {len(having)}; one is {printable(having[0])}"
        elif len(having) < len(of) and ((found == 0) | (found == total)).all():
            which = ", ".join(files.classes[label] for label in np.flatnonzero(found))
            yield f"{trait}: all images of class {which} and no others; it reveals the class"


def _of_counts(names: Sequence[str], counts: Mapping[Part, Sequence[int]]) -> Iterator[str]:
    for part in ("valid", "test"):
        for name, count in zip(names, counts[part], strict=True):
            if not count:
                yield f"class {name} has no image in {part}"
    (fewest, few), (most, many) = (
        pick(zip(names, counts["train"], strict=True), key=lambda pair: pair[1])
        for pick in (min, max)
    )
    if many > _UNEVEN * few:
        yield f"class {most} has {many} training images, class {fewest} {few}"
