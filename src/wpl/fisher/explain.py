"""Explanations of how the gradients of each parameter are computed."""

from typing import Any

from torch import nn

from wpl.fisher.batches import read
from wpl.fisher.engines.chain import links_of
from wpl.fisher.estimate import Batch
from wpl.fisher.preparation import prepared, select


def explain(model: nn.Module, inputs: Any) -> dict[str, str]:
    """Explain how ``diagonal_fisher`` would compute the gradients of each parameter.

    Args:
        model: As in ``diagonal_fisher``.
        inputs: A batch of at least two samples, as the model takes it.

    Returns:
        By name of each parameter that requires a gradient, one or more of: "closed form (linear)",
        with the function that uses the weight; "per sample: `mul`", if the gradient of each sample
        is computed, in the same pass; "one sample at a time: ...", with the reason; "no use".
    """
    wanted, _ = select(model, None)
    with prepared(model, wanted):
        samples = read(model, (inputs, None))
        batch = Batch(wanted, samples, links_of(model) if samples.call is model else None)
    return {name: batch.ways(p) for name, p in wanted.items()}
