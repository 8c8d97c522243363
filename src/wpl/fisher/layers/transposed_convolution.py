"""Transposed convolutions: convolutions with the roles of input and output swapped."""

import torch.nn.functional as F
from torch import Tensor

from wpl.fisher.layers.convolution import Convolved, Geometry, Numbers, each, sum_over_image
from wpl.fisher.layers.registry import Form, Samples, register


@register(F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d, samples=Samples.BATCH)
def transposed_convolution(
    input: Tensor,  # noqa: A002
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers = 0,
    output_padding: Numbers = 0,
    groups: int = 1,
    dilation: Numbers = 1,
) -> list[Form] | None:
    """Closed form of ``F.conv_transpose1d`` to ``conv_transpose3d``; see ``register``."""
    n = weight.ndim - 2
    strides = zip(each(output_padding, n), each(stride, n), strict=True)
    if input.ndim != weight.ndim or any(more >= step for more, step in strides):
        return None
    geometry = Geometry(each(stride, n), each(padding, n), each(dilation, n), groups)
    return [
        (weight, lambda g: Convolved(g, input, weight.shape, geometry)),
        (bias, sum_over_image),
    ]
