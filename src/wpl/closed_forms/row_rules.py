"""Where the samples are in the result of a call, given where they are in its arguments.

A rule that finds that samples meet says ``MIXED``; one that does not know says None, and
``row_probe`` tries it out.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from wpl.closed_forms.rows import FIRST, MIXED, Place, Rows

Marked = Sequence[tuple[Tensor, Rows]]  # the arguments that hold samples
Rule = Callable[[tuple[Any, ...], Mapping[str, Any], Marked, Tensor, int], Place | None]


def _elementwise(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], marked: Marked, out: Tensor, batch: int
) -> Place | None:
    places = {row.moved(out.ndim - t.ndim + row.dim) for t, row in marked}
    return places.pop() if len(places) == 1 else MIXED


def _reshape(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], marked: Marked, out: Tensor, batch: int
) -> Place | None:
    tensor, row = marked[0]
    return row.reshaped(tensor.shape, out.shape, batch) or MIXED


def _transpose(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], marked: Marked, out: Tensor, batch: int
) -> Place | None:
    tensor, row = marked[0]
    dims = [d for d in (*args[1:], *kwargs.values()) if isinstance(d, int)]
    if len(dims) != 2:
        return None
    first, second = (d % tensor.ndim for d in dims)
    return row.moved({first: second, second: first}.get(row.dim, row.dim))


def _swap_last(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], marked: Marked, out: Tensor, batch: int
) -> Place | None:
    tensor, row = marked[0]
    last = tensor.ndim - 1
    return row.moved({last: last - 1, last - 1: last}.get(row.dim, row.dim))


def _permute(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], marked: Marked, out: Tensor, batch: int
) -> Place | None:
    tensor, row = marked[0]
    dims = args[1] if len(args) == 2 and not isinstance(args[1], int) else args[1:]
    if len(dims) != tensor.ndim:
        return None
    return row.moved([d % tensor.ndim for d in dims].index(row.dim))


def _along(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], marked: Marked, out: Tensor, batch: int
) -> Place | None:
    """Follow the samples through a reduction, a softmax, a sum that runs along dimensions."""
    tensor, row = marked[0]
    given = kwargs.get("dim", args[1] if len(args) > 1 else None)
    if isinstance(given, Tensor):  # the maximum of two tensors
        return _elementwise(args, kwargs, marked, out, batch)
    if given is None or isinstance(given, bool) or len(marked) > 1:
        return MIXED
    dims = {d % tensor.ndim for d in ([given] if isinstance(given, int) else given)}
    if row.dim in dims or not dims:
        return MIXED
    gone = sum(d < row.dim for d in dims) if out.ndim < tensor.ndim else 0
    return row.moved(row.dim - gone)


def _getitem(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], marked: Marked, out: Tensor, batch: int
) -> Place | None:
    tensor, row = marked[0]
    return place_in_item(tensor, row, args[1])


def place_in_item(tensor: Tensor, row: Rows, index: object) -> Place | None:
    """Find the samples in ``tensor[index]``.

    Returns:
        Their place, if integers and slices of other dimensions are taken.
    """
    items = list(index) if isinstance(index, tuple) else [index]
    basic = (int, slice, type(None), type(Ellipsis))
    if any(isinstance(i, bool) or not isinstance(i, basic) for i in items):
        return None
    used = sum(i is not None and i is not Ellipsis for i in items)
    rest = [slice(None)] * (tensor.ndim - used)
    at = items.index(Ellipsis) if Ellipsis in items else len(items)
    source = target = 0
    for item in [*items[:at], *rest, *items[at + 1 :]]:
        if item is None:
            target += 1
        elif source == row.dim:
            whole = isinstance(item, slice) and item.indices(tensor.shape[source]) == (
                0,
                tensor.shape[source],
                1,
            )
            return row.moved(target) if whole else MIXED
        else:
            source += 1
            target += isinstance(item, slice)
    return None


def _join(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], marked: Marked, out: Tensor, batch: int
) -> Place | None:
    """Follow the samples through ``cat`` or ``stack``."""
    places = {row for _, row in marked}
    dim = kwargs.get("dim", args[1] if len(args) > 1 else 0)
    if len(places) > 1 or not isinstance(dim, int):
        return MIXED
    row, dim = places.pop(), dim % out.ndim
    if out.ndim > marked[0][0].ndim:
        return row.moved(row.dim + (dim <= row.dim))
    return MIXED if dim == row.dim else row


def _parts(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], marked: Marked, out: Tensor, batch: int
) -> Place | None:
    """Follow the samples into one of the parts of ``split``, ``chunk`` or ``unbind``."""
    tensor, row = marked[0]
    if out.ndim == tensor.ndim:
        dim = kwargs.get("dim", args[2] if len(args) > 2 else 0)
        return MIXED if dim % tensor.ndim == row.dim else row
    dim = kwargs.get("dim", args[1] if len(args) > 1 else 0) % tensor.ndim
    return MIXED if dim == row.dim else row.moved(row.dim - (dim < row.dim))


def _linear(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], marked: Marked, out: Tensor, batch: int
) -> Place | None:
    tensor, row = marked[0]
    return row if len(marked) == 1 and row.dim < tensor.ndim - 1 else MIXED


def _matmul(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], marked: Marked, out: Tensor, batch: int
) -> Place | None:
    if len(args) != 2:
        return None
    left, right = args
    place = {id(t): row for t, row in marked}
    if len(marked) == 1 and right.ndim == 1 and id(left) in place:
        return place[id(left)] if place[id(left)].dim < left.ndim - 1 else MIXED
    if left.ndim == 1 or right.ndim == 1:
        return None
    stacked = [t for t, row in marked if row.dim < t.ndim - 2]
    if len(stacked) == len(marked):  # samples are matrices, each multiplied by its own
        return _elementwise(args, kwargs, marked, out, batch)
    if len(marked) == 1 and id(left) in place and place[id(left)].dim < left.ndim - 1:
        row = place[id(left)]  # samples are rows of the left matrix
        return row.moved(row.dim + out.ndim - left.ndim)
    return MIXED


def _embedding(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], marked: Marked, out: Tensor, batch: int
) -> Place | None:
    return marked[0][1] if len(marked) == 1 and marked[0][0] is args[0] else MIXED


def _convolution(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], marked: Marked, out: Tensor, batch: int
) -> Place | None:
    weight = kwargs.get("weight", args[1] if len(args) > 1 else None)
    batched = isinstance(weight, Tensor) and weight.ndim == marked[0][0].ndim
    return _image(args, kwargs, marked, out, batch) if batched else MIXED


def _image(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], marked: Marked, out: Tensor, batch: int
) -> Place | None:
    """Follow the samples through a norm of images: they come first."""
    return FIRST if len(marked) == 1 and marked[0][1] == FIRST else MIXED


def _pool(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], marked: Marked, out: Tensor, batch: int
) -> Place | None:
    """Follow the samples through a pooling, or anything else that keeps the leading dimensions."""
    tensor, row = marked[0]
    return row if row.dim < tensor.ndim - 3 or row == FIRST and tensor.ndim > 2 else None


def _layer_norm(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], marked: Marked, out: Tensor, batch: int
) -> Place | None:
    tensor, row = marked[0]
    shape = kwargs.get("normalized_shape", args[1] if len(args) > 1 else tensor.shape)
    return row if len(marked) == 1 and row.dim < tensor.ndim - len(shape) else MIXED


def _batch_norm(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], marked: Marked, out: Tensor, batch: int
) -> Place | None:
    training = kwargs.get("training", args[5] if len(args) > 5 else False)
    return MIXED if training else _image(args, kwargs, marked, out, batch)


def _attention(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], marked: Marked, out: Tensor, batch: int
) -> Place | None:
    leading = all(row.dim < t.ndim - 2 for t, row in marked)
    return _elementwise(args, kwargs, marked, out, batch) if leading else MIXED


def _recurrent(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], marked: Marked, out: Tensor, batch: int
) -> Place | None:
    """Follow the samples through ``nn.LSTM``, ``GRU`` or ``RNN``: outputs and last states."""
    batch_first = args[-1]
    if not isinstance(batch_first, bool) or marked[0][0] is not args[0]:
        return MIXED  # packed sequences
    outer = Rows(0 if batch_first else 1)
    state = Rows(1)
    if marked[0][1] != outer or any(row != state for _, row in marked[1:]):
        return MIXED
    return outer if out.shape[:2] == args[0].shape[:2] else state


ELEMENTWISE = """
abs add addcdiv addcmul and bfloat16 bool celu clamp clamp_max clamp_min clone contiguous copy cos cpu
cuda data detach div double dropout elu empty_like eq erf exp expm1 fill float full_like ge gelu gt half hardsigmoid
hardswish hardtanh iadd idiv imul invert isfinite isinf isnan isub itruediv le leaky_relu lerp log
log1p logical_and logical_not logical_or logsigmoid lt masked_fill maximum minimum mish mul multiply
ne neg negative ones_like or pow radd rand_like rdiv reciprocal relu relu6 rmul round rpow rsqrt rsub
rtruediv selu sigmoid sign silu sin softplus softsign sqrt square sub subtract tan tanh tanhshrink to
true_divide truediv type type_as where xor zero zeros_like
""".split()

# Their result is made of shapes, not of values.
CONSTANT = frozenset("new_zeros new_ones new_full new_empty new_tensor size numel dim".split())

RULES: dict[str, Rule] = {
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    **dict.fromkeys(["expand", "expand_as", "alpha_dropout", "feature_dropout"], _elementwise),
    **dict.fromkeys(["dropout1d", "dropout2d", "dropout3d"], _elementwise),
    **dict.fromkeys("flatten unflatten view reshape squeeze unsqueeze ravel".split(), _reshape),
    **dict.fromkeys(["view_as", "reshape_as"], _reshape),
    **dict.fromkeys(["transpose", "swapaxes", "swapdims"], _transpose),
    **dict.fromkeys(["t", "T", "mT"], _swap_last),
    "permute": _permute,
    **dict.fromkeys("sum mean amax amin logsumexp softmax log_softmax".split(), _along),
    **dict.fromkeys("all any argmax argmin cumsum max min prod std var".split(), _along),
    "getitem": _getitem,
    **dict.fromkeys(["cat", "concat", "stack"], _join),
    **dict.fromkeys(["split", "chunk", "unbind", "iter"], _parts),
    "linear": _linear,
    **dict.fromkeys(["matmul", "bmm", "mm"], _matmul),
    **dict.fromkeys(["conv1d", "conv2d", "conv3d"], _convolution),
    **dict.fromkeys([f"{k}_pool{d}d" for k in ("max", "avg") for d in (1, 2, 3)], _pool),
    **dict.fromkeys([f"adaptive_{k}_pool{d}d" for k in ("max", "avg") for d in (1, 2)], _pool),
    "embedding": _embedding,
    "group_norm": _image,
    **dict.fromkeys(["layer_norm", "rms_norm"], _layer_norm),
    "batch_norm": _batch_norm,
    "scaled_dot_product_attention": _attention,
    **dict.fromkeys("lstm gru rnn_tanh rnn_relu".split(), _recurrent),
}
