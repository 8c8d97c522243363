"""Where the samples are in the result of a layer: the rules of ``row_rules`` for these."""

from torch import Tensor

from wpl.fisher.engines.row_rules import Call, elementwise
from wpl.fisher.engines.rows import FIRST, MIXED, Place, Rows


def linear(call: Call) -> Place | None:
    """Follow the samples through a layer along the last dimension."""
    tensor, row = call.marked[0]
    return row if call.only_input() and row.dim < tensor.ndim - 1 else MIXED


def matmul(call: Call) -> Place | None:
    """Follow the samples through a product of matrices."""
    if len(call.args) != 2:
        return None
    left, right = call.args
    place = {id(t): row for t, row in call.marked}
    if len(call.marked) == 1 and right.ndim == 1 and id(left) in place:
        return place[id(left)] if place[id(left)].dim < left.ndim - 1 else MIXED
    if left.ndim == 1 or right.ndim == 1:
        return None
    stacked = [t for t, row in call.marked if row.dim < t.ndim - 2]
    if len(stacked) == len(call.marked):  # samples are matrices, each multiplied by its own
        return elementwise(call)
    if len(call.marked) == 1 and id(left) in place and place[id(left)].dim < left.ndim - 1:
        row = place[id(left)]  # samples are rows of the left matrix
        return row.moved(row.dim + call.out.ndim - left.ndim)
    return MIXED


def embedding(call: Call) -> Place | None:
    """Follow the samples through ids that become vectors."""
    row = call.marked[0][1]
    return row if call.only_input() else MIXED


def convolution(call: Call) -> Place | None:
    """Follow the samples through a convolution."""
    weight = call.argument(1, "weight", None)
    batched = isinstance(weight, Tensor) and weight.ndim == call.marked[0][0].ndim
    return image(call) if batched else MIXED


def image(call: Call) -> Place | None:
    """Follow the samples through a norm of images: they come first."""
    return FIRST if call.only_input() and call.marked[0][1] == FIRST else MIXED


def pool(call: Call) -> Place | None:
    """Follow the samples through a pooling, or anything else that keeps the leading dimensions."""
    tensor, row = call.marked[0]
    return row if row.dim < tensor.ndim - 3 or (row == FIRST and tensor.ndim > 2) else None


def layer_norm(call: Call) -> Place | None:
    """Follow the samples through a normalisation along the last dimensions."""
    tensor, row = call.marked[0]
    shape = call.argument(1, "normalized_shape", tensor.shape)
    return row if call.only_input() and row.dim < tensor.ndim - len(shape) else MIXED


def batch_norm(call: Call) -> Place | None:
    """Follow the samples through a normalisation along the other dimensions than channels."""
    training = call.argument(5, "training", False)
    return MIXED if training else image(call)


def attention(call: Call) -> Place | None:
    """Follow the samples through attention along the last two dimensions."""
    leading = all(row.dim < t.ndim - 2 for t, row in call.marked)
    return elementwise(call) if leading else MIXED


def recurrent(call: Call) -> Place | None:
    """Follow the samples through ``nn.LSTM``, ``GRU`` or ``RNN``: outputs and last states."""
    batch_first = call.args[-1]
    if not isinstance(batch_first, bool) or call.marked[0][0] is not call.args[0]:
        return MIXED  # packed sequences
    outer = Rows(0 if batch_first else 1)
    state = Rows(1)
    states = call.args[1] if isinstance(call.args[1], tuple | list) else [call.args[1]]
    others = call.marked[1:]
    if any(row != state or not any(t is s for s in states) for t, row in others):
        return MIXED
    if call.marked[0][1] != outer:
        return MIXED
    return outer if call.position == 0 else state
