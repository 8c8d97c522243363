"""Convolutions: the gradient of the weight is the product of patches and output gradients."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from wpl.fisher.accumulation.contribution import Contribution
from wpl.fisher.accumulation.scratch import SCRATCH
from wpl.fisher.accumulation.total import Total
from wpl.fisher.accumulation.unfolding import add_unfolded_squares_

_CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


class Geometry(NamedTuple):
    """Stride, padding and dilation in each direction, and the number of groups."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int


class Convolved:
    """The gradient of a convolution's weight, as inputs and gradients of the outputs."""

    def __init__(self, x: Tensor, g: Tensor, shape: Sequence[int], geometry: Geometry) -> None:
        """Keep the factors.

        Args:
            x: Inputs ``(sample, in, ...)``.
            g: Gradients of the outputs ``(sample, out, ...)``.
            shape: Shape of the weight.
            geometry: Of the convolution.
        """
        self.x, self.g, self.shape, self.geometry = x, g, shape, geometry
        self.samples = len(x)

    def dense(self, rows: slice) -> Tensor:
        """See ``Contribution``; computed by one convolution with the samples as groups."""
        x, g = self.x[rows], self.g[rows]
        height, *rest = self.shape
        stride, padding, dilation, groups = self.geometry
        if height == groups and rest[0] == 1:
            return self._of_each_channel(x, g)
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

    def _of_each_channel(self, x: Tensor, g: Tensor) -> Tensor:
        """Slide each channel's gradient over its image, in place of torch's slow way back."""
        stride, padding, dilation, _ = self.geometry
        images, kernels = x.reshape(1, -1, *x.shape[2:]), g.reshape(-1, 1, *g.shape[2:])
        found = _CONVOLUTIONS[len(stride)](
            images, kernels, None, dilation, padding, stride, len(kernels)
        )
        inside = found[(..., *(slice(size) for size in self.shape[2:]))]
        return inside.reshape(len(x), *self.shape)

    def joined(self, others: list[Contribution]) -> Contribution | None:
        """See ``Contribution``."""
        return None if others else self

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
