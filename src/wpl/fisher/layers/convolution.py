"""Convolutions: the gradient of the weight is the product of patches and output gradients."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from wpl.fisher.accumulation.squares import (
    SCRATCH,
    Contribution,
    Dense,
    Outer,
    Total,
    add_over_time_,
    precise,
)
from wpl.fisher.layers.registry import Form, Samples, register

Numbers = int | Sequence[int]
Pair = tuple[int, ...]
_CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


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
        (weight, lambda g: Convolved(input, g, weight.shape, geometry)),
        (bias, sum_over_image),
    ]


def each(value: Numbers, directions: int) -> tuple[int, ...]:
    """Repeat a single number for each dimension of an image."""
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * directions if len(values) == 1 else values


def sum_over_image(gradient: Tensor) -> Dense:
    """Sum a gradient ``(sample, channel, ...)`` over the image: the contribution of a bias."""
    return Dense(precise(gradient).reshape(*gradient.shape[:2], -1).sum(2))


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


class Geometry(NamedTuple):
    """Stride, padding and dilation in each direction, and the number of groups."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int


class Convolved(Contribution):
    """The gradient of a convolution's weight, as the factors.

    Args:
        x: Inputs ``(sample, in, ...)``.
        g: Gradients of the outputs ``(sample, out, ...)``.
        shape: Shape of the weight.
        geometry: Of the convolution.
    """

    def __init__(self, x: Tensor, g: Tensor, shape: Sequence[int], geometry: Geometry) -> None:
        self.x, self.g, self.shape, self.geometry = precise(x), precise(g), shape, geometry
        self.samples = len(x)

    def dense(self, rows: slice) -> Tensor:
        """See ``Contribution``; computed by one convolution with the samples as groups."""
        x, g = self.x[rows], self.g[rows]
        samples, (height, *rest) = len(x), self.shape
        if height == self.geometry.groups and rest[0] == 1:
            return self._of_each_channel(x, g)
        x, g = (t.reshape(1, -1, *t.shape[2:]) for t in (x, g))
        found = self._way_back(x, g, (samples * height, *rest), samples)
        return found.view(samples, *self.shape)

    def gradient(self) -> Tensor:
        """See ``Contribution``."""
        return self._way_back(self.x, self.g, self.shape, 1)

    def _way_back(self, x: Tensor, g: Tensor, shape: Sequence[int], samples: int) -> Tensor:
        """Compute the gradient of a weight whose groups are repeated for each sample."""
        stride, padding, dilation, groups = self.geometry
        weight = x.new_zeros(1).expand(*shape)
        settings = stride, padding, dilation, False, (0,) * len(stride), samples * groups
        found: Tensor = torch.ops.aten.convolution_backward(
            g, x, weight, None, *settings, (False, True, False)
        )[1]
        return found

    def _of_each_channel(self, x: Tensor, g: Tensor) -> Tensor:
        """Slide each channel's gradient over its image, in place of torch's slow way back."""
        stride, padding, dilation, _ = self.geometry
        images, kernels = x.reshape(1, -1, *x.shape[2:]), g.reshape(-1, 1, *g.shape[2:])
        found = _CONVOLUTIONS[len(stride)](
            images, kernels, None, dilation, padding, stride, len(kernels)
        )
        for direction, size in enumerate(self.shape[2:], 2):  # strides may leave a rest behind
            found = found.narrow(direction, 0, size)
        return found.reshape(len(x), *self.shape)

    def add_squares_(self, total: Total) -> None:
        """See ``Contribution``."""
        if self.geometry.groups == 1 and len(self.shape) in (3, 4):
            x, g, (stride, padding, dilation, _) = self.x, self.g, self.geometry
            if len(self.shape) == 3:  # one-dimensional: as images of height 1
                x, g = x.unsqueeze(2), g.unsqueeze(2)
                stride, padding, dilation = (1, *stride), (0, *padding), (1, *dilation)
            add_unfolded_squares_(total, x, g, (stride, padding, dilation))
            return
        step = max(1, SCRATCH // (total.shape.numel() * self.x.element_size()))
        for start in range(0, self.samples, step):
            total.tensor().add_(self.dense(slice(start, start + step)).square_().sum(0))


def add_unfolded_squares_(
    total: Total,
    x: Tensor,
    g: Tensor,
    geometry: tuple[Pair, Pair, Pair],
) -> None:
    """Add the squares of each sample's gradient of an ungrouped convolution.

    Args:
        total: For the weight ``(out, in, height, width)``, or without the height.
        x: Inputs ``(sample, in, y, x)``.
        g: Gradients of the outputs ``(sample, out, y, x)``.
        geometry: Stride, padding and dilation.
    """
    stride, padding, dilation = geometry
    out, channels, *kernel = total.shape
    kernel = [1] * (2 - len(kernel)) + kernel
    columns = g.flatten(2).transpose(1, 2)  # (sample, position, out)
    patches = len(x) * columns.shape[1] * channels * kernel[0] * kernel[1]
    if kernel == [1, 1] and padding == (0, 0):
        picked = x if stride == (1, 1) else x[:, :, :: stride[0], :: stride[1]]
        Outer(picked.flatten(2).transpose(1, 2), columns).add_squares_(total)
    elif patches <= 2 * total.shape.numel():  # large weights, small images
        unfolded = F.unfold(x, (kernel[0], kernel[1]), dilation, padding, stride)
        Outer(unfolded.transpose(1, 2), columns).add_squares_(total)
    else:
        whole = total.tensor().view(out, channels, *kernel)
        _add_rows_of_the_kernel_(whole, x, g, geometry)


def _add_rows_of_the_kernel_(
    total: Tensor,
    x: Tensor,
    g: Tensor,
    geometry: tuple[Pair, Pair, Pair],
) -> None:
    """Unfold along the kernel's width only; the rows of the kernel are then shifted views."""
    (down, right), (above, left), (apart_y, apart_x) = geometry
    out, channels, tall, wide = total.shape
    height, width = g.shape[2:]
    sums = total.new_zeros(tall, out, wide * channels)
    columns = g.flatten(2).transpose(1, 2)
    images = x.permute(0, 2, 3, 1)
    unfolded = (x.shape[2] + 2 * above) * width * wide * channels + height * width * out
    step = max(1, SCRATCH // (2 * unfolded * x.element_size()))
    for some_x, some_g in zip(images.split(step), columns.split(step), strict=True):
        padded = F.pad(some_x, (0, 0, left, left, above, above)).contiguous()
        strides = padded.stride()
        for phase in sorted({(dy * apart_y) % down for dy in range(tall)}):
            rows = padded[:, phase::down]
            patches = rows.as_strided(
                (len(rows), rows.shape[1], width, wide, channels),
                (*rows.stride()[:2], strides[2] * right, strides[2] * apart_x, strides[3]),
            ).reshape(len(rows), rows.shape[1] * width, wide * channels)
            for dy in range(tall):
                skipped, here = divmod(dy * apart_y, down)
                if here == phase:
                    a = patches[:, skipped * width : (skipped + height) * width]
                    add_over_time_(sums[dy], a, some_g)
    total.add_(sums.view(tall, out, wide, channels).permute(1, 3, 0, 2))
