"""Part of the graph without a gradient of its own."""

import torch
from torch import Tensor

_view = torch.ops.aten._unsafe_view.default  # which autograd does not take for a view


def attached(out: Tensor) -> tuple[Tensor, Tensor]:
    """Make a tensor that needs no gradient part of the graph, without a copy.

    Returns:
        The same values, which may be changed in place, as a leaf may not; and the leaf.
    """
    leaf = out.requires_grad_()
    return _view(leaf, leaf.shape), leaf
