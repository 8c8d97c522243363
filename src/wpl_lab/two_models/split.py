"""One network trained on half of the classes, then on the other half: continual learning."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from wpl_lab.arms import ARMS
from wpl_lab.data.images import Images
from wpl_lab.data.parts import PARTS
from wpl_lab.two_models.first import train_first
from wpl_lab.two_models.importance import estimate_fisher
from wpl_lab.two_models.remedies import estimate_mas
from wpl_lab.two_models.second import Strengths, train_second
from wpl_lab.two_models.stops import CONVERGED
from wpl_lab.two_models.training_settings import First, Fisher, Second


def train_split(
    images: Images,
    *,
    arms: Mapping[str, Strengths],
    seeds: Sequence[int],
    width: int,
    first: First,
    second: Second,
    fisher: Fisher,
) -> pd.DataFrame:
    """Train a network on the first half of the classes and then, with each arm, on the second.

    It is the experiment of two models in which all layers are shared and the data is new, the
    scenario of EWC (Kirkpatrick et al., 2017). Both halves use the same outputs, with labels
    numbered within each half, so that only the anchor distinguishes the tasks.

    Args:
        images: All classes; of an odd number, the last one is left out.
        arms: By name, the strengths of each arm.
        seeds: Root seeds.
        width: Units of each hidden layer.
        first: How to train on the first half, without stops; the depth is that of both halves.
        second: How to train on the second half.
        fisher: Kind and largest number of samples.

    Returns:
        The records of ``train_second`` for all arms; A is the first half, B the second.
    """
    a, b = (_half(images, half) for half in (0, 1))
    models, path, _ = train_first(a, replace(first, stops=()), seeds=seeds, width=width)
    fisher = replace(fisher, samples=min(fisher.samples, len(a.labels["train"])))
    estimates = {"fisher": estimate_fisher(models, a, fisher, seeds=seeds), **path}
    if any("mas" in ARMS[arm].estimates for arm in arms):
        estimates["mas"] = estimate_mas(models, a, seeds=seeds, samples=fisher.samples)
    records = [
        train_second(
            b,
            models,
            estimates,
            replace(second, depth=first.depth),
            arm=ARMS[arm],
            strengths=strengths,
            shared=first.depth,
            seeds=seeds,
            stops=[CONVERGED],
            width=width,
            first_images=a,
        )[1]
        for arm, strengths in arms.items()
    ]
    return pd.concat(records, ignore_index=True)


def _half(images: Images, half: int) -> Images:
    count = images.classes // 2
    kept = {p: (images.labels[p] // count == half).nonzero().squeeze(1) for p in PARTS}
    return Images(
        {p: images.pixels[p][kept[p]] for p in PARTS},
        {p: images.labels[p][kept[p]] % count for p in PARTS},
        {**images.about, "half": half},
    )
