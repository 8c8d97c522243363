"""How much each weight of the first model matters: what the penalty of an arm is weighted with."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from wpl.fisher import Kind, diagonal_fisher
from wpl.images import Images
from wpl.seeding import generator
from wpl.two_models import mlp


def estimate_fisher(
    parameters: Mapping[str, Tensor],
    images: Images,
    *,
    seeds: Sequence[int],
    kind: Kind,
    samples: int,
) -> mlp.Parameters:
    """Estimate the diagonal Fisher information of every first model on training data.

    Args:
        parameters: By name, weights ``(stop, seed, ...)``.
        images: The data.
        seeds: Root seeds, of which the samples and the labels of ``"mc"`` are drawn.
        kind: As in ``wpl.diagonal_fisher``.
        samples: Number of training images to estimate on, other ones for every seed.

    Returns:
        By name, F in the shape of the weights.

    Raises:
        ValueError: If there are fewer training images than ``samples``.
    """
    inputs, labels = images.flat("train")
    if samples > len(inputs):
        raise ValueError(
            f"fisher.samples is {samples}, but there are only {len(inputs)} training images"
        )
    fisher = {name: torch.empty_like(p) for name, p in parameters.items()}
    stops = len(next(iter(parameters.values())))
    for run, seed in enumerate(seeds):
        picks = torch.randperm(len(inputs), generator=generator(seed, "estimate_fisher", "samples"))
        data = [(inputs[picks[:samples]], labels[picks[:samples]])]
        for stop in range(stops):
            model = mlp.module({name: p[stop, run] for name, p in parameters.items()})
            draws = generator(seed, "estimate_fisher", "labels")
            for name, f in diagonal_fisher(model, data, kind=kind, generator=draws).items():
                fisher[name][stop, run] = f
    return fisher


def uniform(fisher: Mapping[str, Tensor]) -> mlp.Parameters:
    """Give every weight of a run the mean of the run's Fisher information.

    Anchoring with it is plain L2 towards the anchor, as strong as with F on average: the control
    that tells whether the *Fisher* information matters, or any anchor would do.

    Args:
        fisher: By name, F ``(run, ...)``.

    Returns:
        By name, the importance in the shapes of F.
    """
    total = sum(f.flatten(1).sum(1) for f in fisher.values())
    count = sum(f[0].numel() for f in fisher.values())
    mean = torch.as_tensor(total) / count  # (run)
    return {name: mean.reshape(-1, *[1] * (f.ndim - 1)).expand_as(f) for name, f in fisher.items()}
