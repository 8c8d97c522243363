"""Convolutions: the gradient of a sample is its patches times the output's gradient."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from wpl.fisher.accumulation.dense import Dense
from wpl.fisher.accumulation.precision import precise
from wpl.fisher.accumulation.scratch import SCRATCH, Scratch
from wpl.fisher.accumulation.sum import Contribution, Sum
from wpl.fisher.engines.rows import FIRST
from wpl.fisher.engines.saved import saved
from wpl.fisher.layers.unfolding import add_unfolded_squares_

if TYPE_CHECKING:
    from wpl.fisher.engines.uses import Uses


class Geometry(NamedTuple):
    """Stride, padding and dilation in each direction, and the number of groups."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int


def convolution(
    recorder: "Uses",
    func: Callable[..., Tensor],
    input: Tensor,  # noqa: A002
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor | None:
    """Record ``F.conv1d``, ``conv2d`` or ``conv3d``.

    Returns:
        Its result; None if the samples do not come first or the padding is lopsided.
    """
    directions = weight.ndim - 2
    dilations = _each(dilation, directions)
    pad = _padding(padding, weight, dilations)
    if input.ndim != weight.ndim or recorder.samples_in(input) != FIRST or pad is None:
        return None
    geometry = Geometry(_each(stride, directions), pad, dilations, groups)
    x = saved(input)
    out = func(input, recorder.stand_in(weight), recorder.stand_in(bias), *geometry)

    def contribute(gradient: Tensor) -> Iterator[tuple[Tensor, Contribution]]:
        g = precise(gradient)
        if recorder.wants(weight):
            yield weight, Convolved(precise(x()), g, weight.shape, geometry)
        if bias is not None and recorder.wants(bias):
            yield bias, Dense(g.flatten(2).sum(2))

    return recorder.tap(out, contribute, weight, bias)


def _each(value: int | Sequence[int], directions: int) -> tuple[int, ...]:
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * directions if len(values) == 1 else values


def _padding(
    padding: int | Sequence[int] | str, weight: Tensor, dilation: tuple[int, ...]
) -> tuple[int, ...] | None:
    directions = weight.ndim - 2
    if padding == "valid":
        return (0,) * directions
    if isinstance(padding, str):
        total = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
        return None if any(t % 2 for t in total) else tuple(t // 2 for t in total)
    return _each(padding, directions)


class Convolved:
    """Inputs ``(sample, channel, ...)`` and gradients of the outputs of a convolution."""

    def __init__(self, x: Tensor, g: Tensor, shape: Sequence[int], geometry: Geometry) -> None:
        """Keep the factors; ``shape`` is that of the weight."""
        self.x, self.g, self.shape, self.geometry = x, g, shape, geometry
        self.samples = len(x)

    def dense(self, rows: slice) -> Tensor:
        """See ``Contribution``: with its samples as groups, one convolution makes them all."""
        x, g = self.x[rows], self.g[rows]
        height, *rest = self.shape
        stride, padding, dilation, groups = self.geometry
        gradient: Tensor = torch.ops.aten.convolution_backward(
            g.reshape(1, -1, *g.shape[2:]),
            x.reshape(1, -1, *x.shape[2:]),
            x.new_zeros(1).expand(len(x) * height, *rest),
            None,
            stride,
            padding,
            dilation,
            False,
            (0,) * len(stride),
            len(x) * groups,
            (False, True, False),
        )[1]
        return gradient.view(len(x), *self.shape)

    def joined(self, others: list[Contribution]) -> Contribution | None:
        """See ``Contribution``."""
        return None if others else self

    def add_squares_(self, total: Sum, scratch: Scratch) -> None:
        """See ``Contribution``."""
        if self.geometry.groups == 1 and len(self.shape) in (3, 4):
            x, g, (stride, padding, dilation, _) = self.x, self.g, self.geometry
            if len(self.shape) == 3:  # in one direction: images of height 1
                x, g = x.unsqueeze(2), g.unsqueeze(2)
                stride, padding, dilation = (1, *stride), (0, *padding), (1, *dilation)
            sum_ = total.tensor()
            sum_ = sum_ if len(self.shape) == 4 else sum_.unsqueeze(2)
            add_unfolded_squares_(sum_, x, g, (stride, padding, dilation), scratch)
            return
        step = max(1, SCRATCH // (total.shape.numel() * self.x.element_size()))
        for start in range(0, self.samples, step):
            total.tensor().add_(self.dense(slice(start, start + step)).square_().sum(0))
