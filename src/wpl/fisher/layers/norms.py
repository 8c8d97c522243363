"""Scale and shift of normalisation layers: Σ_t g_t ∘ x̂_t and Σ_t g_t for each sample."""

import math
from collections.abc import Callable, Sequence

import torch
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
    return _over_last(
        input, lambda x: F.layer_norm(x, shape, None, None, eps), len(shape), weight, bias
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
    return _over_last(input, lambda x: F.rms_norm(x, shape, None, eps), len(shape), weight, None)


def _over_last(
    x: Tensor,
    normalise: Callable[[Tensor], Tensor],
    count: int,
    weight: Tensor | None,
    bias: Tensor | None,
) -> list[Form]:
    def summed(t: Tensor) -> Dense:
        return Dense(precise(t).reshape(len(t), -1, *t.shape[-count:]).sum(1))

    return [(weight, lambda g: summed(precise(normalise(x)).mul_(g))), (bias, summed)]


@register(F.group_norm, samples=Samples.BATCH)
def group_norm(
    input: Tensor,  # noqa: A002
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> list[Form]:
    """Closed form of ``F.group_norm``; see ``register``."""

    def statistics(x: Tensor) -> tuple[Tensor, Tensor]:
        samples, channels = x.shape[:2]
        size = math.prod(x.shape[2:])
        found = torch.native_group_norm(x, None, None, samples, channels, size, num_groups, eps)
        mean, scale = (t.repeat_interleave(channels // num_groups, 1) for t in found[1:])
        return mean, scale

    return _over_channels(input, statistics, weight, bias)


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
    del momentum
    if training or running_mean is None or running_var is None:
        raise ValueError(
            "a batch norm uses the statistics of the batch: its samples depend on each other, and "
            "a per-sample gradient does not exist"
        )
    mean, variance = running_mean, running_var

    def statistics(x: Tensor) -> tuple[Tensor, Tensor]:
        return precise(mean).expand(x.shape[:2]), (precise(variance) + eps).rsqrt()

    return _over_channels(input, statistics, weight, bias)


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


def _over_channels(
    x: Tensor,
    statistics: Callable[[Tensor], tuple[Tensor, Tensor]],
    weight: Tensor | None,
    bias: Tensor | None,
) -> list[Form]:
    """Sum over images ``(sample, channel, ...)``, given each channel's mean and 1 / deviation."""
    shifts: list[Tensor] = []  # the bias's, which the weight's come with

    def of_weight(g: Tensor) -> Dense:
        images, g = (precise(t).reshape(*x.shape[:2], -1) for t in (x, g))
        products, shift = _sums(images, g)
        shifts[:] = [shift]
        mean, scale = statistics(images)
        return Dense(torch.addcmul(products, shift, mean, value=-1).mul_(scale))

    def of_bias(g: Tensor) -> Dense:
        return Dense(shifts.pop()) if shifts else sum_over_image(g if g.ndim > 2 else g[..., None])

    return [(weight, of_weight), (bias, of_bias)]


def _sums(x: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """Compute Σ_t g_t x_t and Σ_t g_t of ``(sample, channel, position)``."""
    samples, channels, size = x.shape
    if size < 128:
        return (g * x).sum(2), g.sum(2)
    rows = samples * channels  # torch's way back of a group norm does both in one pass
    zeros, ones = x.new_zeros(1, rows), x.new_ones(1, rows)
    operands = g.reshape(1, rows, size), x.reshape(1, rows, size), zeros, ones, None
    _, products, sums = torch.ops.aten.native_group_norm_backward(
        *operands, 1, rows, size, rows, (False, True, True)
    )
    return products.view(samples, channels), sums.view(samples, channels)
