"""Steps of all estimates: the forward pass of a batch, and the final mean."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from wpl.fisher.accumulation.squares import Squares
from wpl.fisher.calling import Samples
from wpl.fisher.engines.batch import Batch
from wpl.fisher.engines.recording import Job
from wpl.fisher.first_batch import explained


def record(job: Job, model: nn.Module, samples: Samples) -> Batch:
    """Call a model with a batch, and record it for the backward pass.

    Args:
        job: What to compute.
        model: In eval mode.
        samples: The samples of the batch.

    Returns:
        The recorded batch, with its outputs.

    Raises:
        ValueError: If the model cannot be called with the batch; says how it was called.
    """
    try:
        return Batch(job, model, samples.call, samples.inputs)
    except Exception as error:
        out_of_memory = isinstance(error, torch.OutOfMemoryError)
        reason = error if out_of_memory else explained(error, samples)
        if reason is error:
            raise
        raise reason from error


def finish(
    squares: Squares, wanted: Mapping[str, Tensor], factor: float, floor: float
) -> dict[str, Tensor]:
    """Scale the sums and check them.

    Args:
        squares: The sums.
        wanted: The parameters, by name, of any shapes.
        factor: Factor on the sums.
        floor: Added afterwards.

    Returns:
        By name, F in the shape of its parameter.

    Raises:
        ValueError: If F is not finite.
    """
    totals = [squares.of[id(p)] for p in wanted.values()]
    sums = [total.take() for total in totals]
    if factor != 1:
        torch._foreach_mul_(sums, factor)
    limits = [total.bound for total in totals]
    unknown = [k for k, limit in enumerate(limits) if limit is None]
    if unknown:
        found = torch._foreach_norm([sums[k] for k in unknown], 1)
        for k, limit in zip(unknown, found, strict=True):
            limits[k] = limit
    fisher = dict(zip(wanted, sums, strict=True))
    known = [limit for limit in limits if limit is not None]
    if len({limit.device for limit in known}) > 1:
        known = [limit.cpu() for limit in known]
    for name, limit in zip(fisher, torch.stack(known).tolist(), strict=True):
        # The bound may overflow even if F does not.
        if not math.isfinite(limit) and not fisher[name].isfinite().all():
            raise ValueError(f"the Fisher information of {name!r} is not finite")
    return {name: f.add_(floor) for name, f in fisher.items()} if floor else fisher
