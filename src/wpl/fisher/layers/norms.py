"""Scale and shift of normalisation layers: Σ_t g_t ∘ x̂_t and Σ_t g_t for each sample."""

from collections.abc import Callable, Sequence

import torch.nn.functional as F
from torch import Tensor

from wpl.fisher.accumulation.squares import Dense, precise
from wpl.fisher.layers.convolution import sum_over_image
from wpl.fisher.layers.registry import Form, Samples, register


@register(F.layer_norm, samples=Samples.LEADING)
def layer_norm(
    input: Tensor,  # noqa: A002
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> list[Form]:
    """Closed form of ``F.layer_norm``; see ``register``."""
    shape = list(normalized_shape)
    return _forms(
        lambda: F.layer_norm(precise(input), shape, None, None, eps),
        *(weight, bias),
        _over_leading(len(shape)),
    )


@register(F.rms_norm, samples=Samples.LEADING)
def rms_norm(
    input: Tensor,  # noqa: A002
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> list[Form]:
    """Closed form of ``F.rms_norm``; see ``register``."""
    shape = list(normalized_shape)
    return _forms(
        lambda: F.rms_norm(precise(input), shape, None, eps),
        *(weight, None),
        _over_leading(len(shape)),
    )


@register(F.group_norm, samples=Samples.BATCH)
def group_norm(
    input: Tensor,  # noqa: A002
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> list[Form]:
    """Closed form of ``F.group_norm``; see ``register``."""
    return _forms(
        lambda: F.group_norm(precise(input), num_groups, None, None, eps),
        *(weight, bias),
        sum_over_image,
    )


@register(F.batch_norm, samples=Samples.BATCH)
def batch_norm(
    input: Tensor,  # noqa: A002
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> list[Form]:
    """Closed form of ``F.batch_norm`` with running statistics; see ``register``.

    Returns:
        The forms.

    Raises:
        ValueError: If the statistics are those of the batch.
    """
    if training or running_mean is None or running_var is None:
        raise ValueError(
            "a batch norm uses the statistics of the batch: its samples depend on each other, and "
            "a per-sample gradient does not exist"
        )
    statistics = precise(running_mean), precise(running_var)
    return _forms(
        lambda: F.batch_norm(precise(input), *statistics, None, None, False, momentum, eps),
        *(weight, bias),
        sum_over_image,
    )


def _forms(
    normalise: Callable[[], Tensor],
    weight: Tensor | None,
    bias: Tensor | None,
    summed: Callable[[Tensor], Dense],
) -> list[Form]:
    """Make the forms of scale and shift, given how gradients are summed over positions."""
    return [(weight, lambda g: summed(normalise().mul_(g))), (bias, summed)]


def _over_leading(count: int) -> Callable[[Tensor], Dense]:
    """Sum over all dimensions between the sample and the last ones."""
    return lambda t: Dense(precise(t).reshape(len(t), -1, *t.shape[-count:]).sum(1))


def batch_norm_written_out(
    input: Tensor,  # noqa: A002
    running_mean: Tensor,
    running_var: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Compute ``F.batch_norm`` with running statistics, from sums and products.

    For a batch of one, torch 2.15 differentiates it wrongly on a CPU where the output is flattened
    and transposed.

    Returns:
        Its output, in the shape of the input.
    """
    batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    shape = (-1, *[1] * (input.ndim - 2))
    out = (input - running_mean.view(shape)) * (running_var + eps).rsqrt().view(shape)
    out = out if weight is None else out * weight.view(shape)
    return out if bias is None else out + bias.view(shape)
