"""Checks that the data suffice for the settings in params.yaml; errors name the key."""

import math
from collections.abc import Mapping, Sequence

from wpl_lab.data.data_files import DataError
from wpl_lab.data.parts import Part

_LARGEST_OMEGA = 2 * 10**9  # bytes, of all matrices together


def check_two_models(
    counts: Sequence[int],
    shape: tuple[int, int, int],
    *,
    batch_sizes: Mapping[str, int],
    samples: int,
    omega: Mapping[str, int] | None,
    split: bool,
) -> None:
    """Check that there are enough images for the two models, and in each half of the classes.

    Args:
        counts: Number of training images of each class.
        shape: Their channels, height and width.
        batch_sizes: Training images in a batch, by the key of the setting.
        samples: Training images on which the Fisher information is estimated.
        omega: Arguments of ``check_omega``, if the arm omega is among the remedies.
        split: Whether a network is trained on half of the classes, then on the others.

    Raises:
        DataError: If there are too few images or classes; names the key.
    """
    every = sum(counts), "there are"
    for_batches = every
    if split:
        for_batches = _in_smaller_half(counts), "half of the classes, which split trains on, have"
    needs = [(key, size, *for_batches) for key, size in batch_sizes.items()]
    for key, needed, found, have in (*needs, ("fisher.samples", samples, *every)):
        if needed > found:
            raise DataError(f"{key} is {needed}, but {have} only {found} training images")
    if omega:
        check_omega(math.prod(shape), **omega)


def _in_smaller_half(counts: Sequence[int]) -> int:
    """Count the images in the half of the classes that has fewer."""
    half = len(counts) // 2  # the last of an odd number of classes is left out
    if half < 2:
        raise DataError(
            f"data has {len(counts)} classes; split trains on half of them, then on the others, "
            "and needs at least 4; split.arms: [] leaves it out"
        )
    return min(sum(counts[:half]), sum(counts[half : 2 * half]))


def check_omega(inputs: int, *, width: int, shared: int, seeds: int) -> None:
    """Check that the matrices Ω of the arm omega fit into memory.

    Args:
        inputs: Number of values of an image.
        width: Units of a hidden layer.
        shared: Number of shared layers.
        seeds: Number of first models, each with a matrix of its own.

    Raises:
        DataError: If they are too large.
    """
    weights = width * (inputs + 1) + (shared - 1) * width * (width + 1)
    needed = 8 * seeds * weights**2  # double precision
    if needed > _LARGEST_OMEGA:
        raise DataError(
            f"compare.remedies: omega needs {seeds} matrices of {weights}×{weights} for images of "
            f"{inputs} values, {needed / 1e9:.1f} GB; leave it out, or make data.size smaller"
        )


def check_text(sizes: Mapping[Part, int], *, batch_size: int, steps: int, score_rows: int) -> None:
    """Check that a text is long enough for a search.

    Half of the validation part is used for rewards, the other half for scores.

    Args:
        sizes: Number of tokens of each part.
        batch_size: Rows of a training batch, and of a batch for rewards.
        steps: Time steps of a window; a row has one token more, the last to predict.
        score_rows: Rows into which a part is split for scoring.

    Raises:
        DataError: If a part is too short; names the keys.
    """
    model = "search.text.model"
    window = f"{model}.batch_size × ({model}.steps + 1) = {batch_size} × ({steps} + 1)"
    score = f"2 × {model}.score_rows = 2 × {score_rows}"
    half = sizes["valid"] // 2
    for part, found, needed, why in (
        ("the training part", sizes["train"], batch_size * (steps + 1), window),
        ("the first half of the validation part", half, batch_size * (steps + 1), window),
        ("the second half of the validation part", sizes["valid"] - half, 2 * score_rows, score),
        ("the test part", sizes["test"], 2 * score_rows, score),
    ):
        if found < needed:
            raise DataError(f"text: {part} has {found} tokens; {why} needs {needed}")


def check_images(
    sizes: Mapping[Part, int],
    shape: tuple[int, int, int],
    *,
    batch_size: int,
    stages: int,
    section: str = "search.images.model",
) -> None:
    """Check that there are enough images for a search, and that they are large enough.

    Half of the validation part is used for rewards, the other half for scores.

    Args:
        sizes: Number of images of each part.
        shape: Their channels, height and width.
        batch_size: Images of a training batch, and of a batch for rewards.
        stages: Stages of the model, each but the first at half the resolution.
        section: The section of params.yaml that declares the model.

    Raises:
        DataError: If there are too few, or they are too small; names the key.
    """
    _, height, width = shape
    if min(height, width) < 2 ** (stages - 1):
        raise DataError(
            f"images: {section}.stages: {stages} halves images of {height}×{width} to nothing; "
            f"take fewer stages or a larger images.size"
        )
    for part, found in (
        ("the training part", sizes["train"]),
        ("the first half of the validation part", sizes["valid"] // 2),
    ):
        if found < batch_size:
            raise DataError(
                f"images: {part} has {found} images; {section}.batch_size needs {batch_size}"
            )
