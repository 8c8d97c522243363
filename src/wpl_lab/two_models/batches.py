"""Batches for many seeds at once, each seed in its own order."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from wpl_lab.seeding import batch_order, generator


def batches(
    inputs: Tensor,
    labels: Tensor,
    *,
    seeds: Sequence[int],
    purpose: str,
    batch_size: int,
    iterations: int,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield one batch per iteration; a seed gets the same whichever seeds are trained beside it.

    Args:
        inputs: ``(sample, feature)``.
        labels: ``(sample)``.
        seeds: Root seeds.
        purpose: Purpose of the batches; each has its own stream of random numbers.
        batch_size: Samples of a batch.
        iterations: Number of batches.

    Yields:
        Inputs ``(seed, feature, batch)`` and labels ``(seed, batch)``.
    """
    order = torch.stack(
        [
            batch_order(
                len(inputs),
                batch_size=batch_size,
                iterations=iterations,
                generator=generator(seed, purpose, "batches"),
            )
            for seed in seeds
        ],
        dim=1,
    )  # (iteration, seed, batch)
    for picks in order.flatten(1):
        # index_select is three times as fast as indexing, and rows beat columns
        x = inputs.index_select(0, picks).unflatten(0, (len(seeds), batch_size))
        yield x.transpose(1, 2), labels[picks].unflatten(0, (len(seeds), batch_size))
