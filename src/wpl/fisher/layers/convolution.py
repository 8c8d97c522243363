"""Convolutions: the gradient of the weight is the product of patches and output gradients."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from wpl.fisher.accumulation.squares import (
    SCRATCH,
    TILE,
    Contribution,
    Dense,
    Outer,
    Total,
    precise,
)
from wpl.fisher.layers.registry import Form, Samples, register

Numbers = int | Sequence[int]
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
        """See ``Contribution``; as products of patches where positions are few for the channels.

        So, too, on GPUs, whose convolutions may round to a lower precision.
        """
        (out, _, *kernel), (stride, padding, _, groups) = self.shape, self.geometry
        where = self.g.shape[2:].numel()
        by_patches = 2 * where <= out or not self.x.is_cpu
        if groups == 1 and set(kernel) == {1} and not any(padding):
            picked = self.x[:, :, *(slice(None, None, step) for step in stride)]
            _of_patches(picked.flatten(2), self.g).add_squares_(total)
        elif groups == 1 and len(kernel) < 3 and by_patches:
            for rows in self._chunks(where * total.shape.numel() // out):
                _of_patches(self._patches(rows), self.g[rows]).add_squares_(total)
        else:
            for rows in self._chunks(total.shape.numel()):
                total.tensor().add_(self.dense(rows).square_().sum(0))

    def _chunks(self, elements: int) -> Iterator[slice]:
        """Split the samples into chunks that fit into a cache, given each one's elements."""
        limit = 2 * TILE if self.x.is_cpu else SCRATCH
        step = max(1, limit // (elements * self.x.element_size()))
        return (slice(start, start + step) for start in range(0, self.samples, step))

    def _patches(self, rows: slice) -> Tensor:
        """Unfold images into ``(sample, in · kernel, position)``."""
        x, kernel, (stride, padding, dilation, _) = self.x[rows], self.shape[2:], self.geometry
        if len(kernel) == 1:  # one-dimensional: as images of height 1
            x, kernel, stride = x.unsqueeze(2), (1, *kernel), (1, *stride)
            padding, dilation = (0, *padding), (1, *dilation)
        return F.unfold(x, tuple(kernel), dilation, padding, stride)


def _of_patches(patches: Tensor, g: Tensor) -> Outer:
    """Make the contribution from patches ``(sample, in · kernel, position)``."""
    return Outer(patches.transpose(1, 2), g.flatten(2).transpose(1, 2))
