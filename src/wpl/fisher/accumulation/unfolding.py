"""Squares of a convolution's weight gradients as products of unfolded images."""

import torch.nn.functional as F
from torch import Tensor

from wpl.fisher.accumulation.outer import Outer, add_over_time_
from wpl.fisher.accumulation.scratch import SCRATCH
from wpl.fisher.accumulation.total import Total

Pair = tuple[int, ...]


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
                    add_over_time_(sums[dy], a, some_g, fresh=False)
    total.add_(sums.view(tall, out, wide, channels).permute(1, 3, 0, 2))
