"""Convolutions."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from wpl.fisher.accumulation.convolved import Convolved, Geometry
from wpl.fisher.accumulation.dense import Dense
from wpl.fisher.accumulation.precision import precise
from wpl.fisher.layers.registry import Form, Samples, register

Numbers = int | Sequence[int]


@register(F.conv1d, F.conv2d, F.conv3d, samples=Samples.BATCH)
def convolution(
    input: Tensor,  # noqa: A002
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers | str = 0,
    dilation: Numbers = 1,
    groups: int = 1,
) -> list[Form] | None:
    """Closed form of ``F.conv1d`` to ``conv3d``, except asymmetric padding; see ``register``."""
    directions = weight.ndim - 2
    dilations = each(dilation, directions)
    pad = _padding(padding, weight, dilations)
    if input.ndim != weight.ndim or pad is None:
        return None
    geometry = Geometry(each(stride, directions), pad, dilations, groups)
    return [
        (weight, lambda g: Convolved(precise(input), precise(g), weight.shape, geometry)),
        (bias, sum_over_image),
    ]


def each(value: Numbers, directions: int) -> tuple[int, ...]:
    """Repeat a single number for each dimension of an image."""
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * directions if len(values) == 1 else values


def sum_over_image(gradient: Tensor) -> Dense:
    """Sum a gradient over the image: the contribution of a bias.

    Args:
        gradient: ``(sample, channel, ...)``.

    Returns:
        The sums ``(sample, channel)``.
    """
    return Dense(precise(gradient).flatten(2).sum(2))


def _padding(
    padding: Numbers | str, weight: Tensor, dilation: tuple[int, ...]
) -> tuple[int, ...] | None:
    directions = weight.ndim - 2
    if padding == "valid":
        return (0,) * directions
    if isinstance(padding, str):
        total = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
        return None if any(t % 2 for t in total) else tuple(t // 2 for t in total)
    return each(padding, directions)
