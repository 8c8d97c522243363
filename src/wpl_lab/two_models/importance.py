"""The Fisher information of the first models: the importance of each weight."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from wpl.fisher.estimate import diagonal_fisher
from wpl_lab.data.images import Images
from wpl_lab.seeding import generator
from wpl_lab.two_models import mlp
from wpl_lab.two_models.training_settings import Fisher


def estimate_fisher(
    parameters: Mapping[str, Tensor], images: Images, settings: Fisher, *, seeds: Sequence[int]
) -> mlp.Parameters:
    """Estimate the diagonal Fisher information of every first model on training data.

    Args:
        parameters: By name, weights ``(stop, seed, ...)``.
        images: The data.
        settings: Kind, and number of training images to estimate on, drawn for each seed.
        seeds: Root seeds of the choice of samples, and of the labels for ``"mc"``.

    Returns:
        By name, F in the shape of the weights.

    Raises:
        ValueError: If there are fewer training images than samples.
    """
    fisher = {name: torch.empty_like(p) for name, p in parameters.items()}
    for at, model, data in first_models(parameters, images, seeds, settings.samples):
        draws = generator(seeds[at[1]], "estimate_fisher", "labels")
        found = diagonal_fisher(model, [data], kind=settings.kind, generator=draws)
        for name, f in found.items():
            fisher[name][at] = f
    return fisher


def first_models(
    parameters: Mapping[str, Tensor], images: Images, seeds: Sequence[int], samples: int
) -> Iterator[tuple[tuple[int, int], nn.Module, tuple[Tensor, Tensor]]]:
    """Iterate over the first models, stop by stop, each with training images drawn for its seed.

    Args:
        parameters: By name, weights ``(stop, seed, ...)``.
        images: The data.
        seeds: Root seeds.
        samples: Number of training images for each.

    Yields:
        The index (stop, seed), the model, and its images ``(sample, feature)`` and their labels
        ``(sample)``.

    Raises:
        ValueError: If there are fewer training images than ``samples``.
    """
    inputs, labels = images.flat("train")
    if samples > len(inputs):
        raise ValueError(
            f"fisher.samples is {samples}, but there are only {len(inputs)} training images"
        )
    orders = [generator(seed, "estimate_fisher", "samples") for seed in seeds]
    picks = [torch.randperm(len(inputs), generator=order)[:samples] for order in orders]
    for stop in range(len(next(iter(parameters.values())))):
        for run, chosen in enumerate(picks):
            model = mlp.module({name: p[stop, run] for name, p in parameters.items()})
            yield (stop, run), model, (inputs[chosen], labels[chosen])
