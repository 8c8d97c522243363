"""Explanations of how the gradients of each parameter are computed."""

import warnings
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from wpl.fisher.accumulation.squares import Squares
from wpl.fisher.engines.batch import Batch
from wpl.fisher.engines.recording import Job
from wpl.fisher.forward import forward_of
from wpl.fisher.preparation import parameters_of, prepared


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
    known = {name: p for name, p in parameters_of(model).items() if p.requires_grad}
    once = {id(p): name for name, p in reversed(known.items())}
    wanted = {name: p for name, p in known.items() if once[id(p)] == name}
    job = Job(wanted, Squares(wanted.values()), with_gradient=False)
    with prepared(model, wanted):
        batch = Batch(job, model, forward_of(model, inputs), inputs)
    return {name: batch.ways(p) for name, p in wanted.items()}


def warn_if_slow(batch: Batch) -> None:
    """Warn, once for each reason, if samples are processed one by one."""
    if batch.alone is not None:
        warnings.warn(
            "samples are differentiated one at a time, with a forward and a backward pass for "
            f"each: {batch.alone}",
            stacklevel=3,
        )


def warn_if_unused(parameters: Mapping[str, Tensor], squares: Squares) -> None:
    """Warn of parameters without a gradient.

    Args:
        parameters: By name, of any shapes.
        squares: Their totals.
    """
    unused = [name for name, p in parameters.items() if not squares.of[id(p)].received]
    if unused:
        more = f" and {len(unused) - 3} others" if len(unused) > 3 else ""
        warnings.warn(
            f"{', '.join(map(repr, unused[:3]))}{more} had no part in the loss: F is 0, which "
            "leaves them free. If the model keeps something computed from them, as some do in eval "
            "mode, call model.train() and model.eval() first; else list the parameters wanted",
            stacklevel=3,
        )
