"""Where the samples are in the result of a call, given where they are in its arguments.

A rule that finds that samples meet says ``MIXED``; one that does not know says None, and
``row_probe`` tries it out.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from wpl.fisher.engines.rows import MIXED, Place, Rows


class Call(NamedTuple):
    """A call, one of whose results is to be marked."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    marked: Sequence[tuple[Tensor, Rows]]  # the arguments that hold samples
    out: Tensor  # the result
    position: int  # of it among the results
    batch: int

    def argument(self, position: int, name: str, default: Any) -> Any:
        """Look up an argument."""
        given = self.args[position] if len(self.args) > position else default
        return self.kwargs.get(name, given)

    def only_input(self) -> bool:
        """Tell whether the samples are in the first argument and nowhere else."""
        return len(self.marked) == 1 and self.marked[0][0] is self.argument(0, "input", None)


Rule = Callable[[Call], Place | None]


def elementwise(call: Call) -> Place | None:
    """Follow the samples through what is done value by value, aligned by broadcasting."""
    ndim = call.out.ndim
    tensor, row = call.marked[0]
    place = row.moved(ndim - tensor.ndim + row.dim)
    others = call.marked[1:]
    return MIXED if any(r.moved(ndim - t.ndim + r.dim) != place for t, r in others) else place


def cast(call: Call) -> Place | None:
    """Follow the samples into another data type or a larger shape, after the example of others."""
    return elementwise(call) if call.marked[0][0] is call.argument(0, "input", None) else None


def reshape(call: Call) -> Place | None:
    """Follow the samples through another shape with the same order of elements."""
    tensor, row = call.marked[0]
    if tensor is not call.argument(0, "input", None):
        return None
    return row.reshaped(tensor.shape, call.out.shape, call.batch) or MIXED


def transpose(call: Call) -> Place | None:
    """Follow the samples through two dimensions that change places."""
    tensor, row = call.marked[0]
    dims = [d for d in (*call.args[1:], *call.kwargs.values()) if isinstance(d, int)]
    if len(dims) != 2:
        return None
    first, second = (d % tensor.ndim for d in dims)
    return row.moved({first: second, second: first}.get(row.dim, row.dim))


def swap(call: Call) -> Place | None:
    """Follow the samples through a matrix that is transposed."""
    tensor, row = call.marked[0]
    return row.moved(1 - row.dim) if tensor.ndim == 2 else None


def permute(call: Call) -> Place | None:
    """Follow the samples through a permutation of the dimensions."""
    tensor, row = call.marked[0]
    dims = call.args[1:]
    if len(dims) == 1 and not isinstance(dims[0], int):
        dims = dims[0]
    if len(dims) != tensor.ndim:
        return None
    return row.moved([d % tensor.ndim for d in dims].index(row.dim))


def along(call: Call) -> Place | None:
    """Follow the samples through a reduction, a softmax, a sum that runs along dimensions."""
    tensor, row = call.marked[0]
    given = call.argument(1, "dim", None)
    if isinstance(given, Tensor):  # the maximum of two tensors
        return elementwise(call)
    if given is None or isinstance(given, bool) or len(call.marked) > 1:
        return MIXED
    dims = {d % tensor.ndim for d in ([given] if isinstance(given, int) else given)}
    if row.dim in dims or not dims:
        return MIXED
    gone = sum(d < row.dim for d in dims) if call.out.ndim < tensor.ndim else 0
    return row.moved(row.dim - gone)


def getitem(call: Call) -> Place | None:
    """Follow the samples through indexing with integers and slices."""
    tensor, row = call.marked[0]
    return place_in_item(tensor, row, call.args[1])


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


def join(call: Call) -> Place | None:
    """Follow the samples through ``cat`` or ``stack``."""
    places = {row for _, row in call.marked}
    dim = call.argument(1, "dim", 0)
    if len(places) > 1 or not isinstance(dim, int):
        return MIXED
    row, dim = places.pop(), dim % call.out.ndim
    if call.out.ndim > call.marked[0][0].ndim:
        return row.moved(row.dim + (dim <= row.dim))
    return MIXED if dim == row.dim else row


def parts(call: Call) -> Place | None:
    """Follow the samples into one of the parts of ``split``, ``chunk`` or ``unbind``."""
    tensor, row = call.marked[0]
    if call.out.ndim == tensor.ndim:
        dim = call.argument(2, "dim", 0)
        return MIXED if dim % tensor.ndim == row.dim else row
    dim = call.argument(1, "dim", 0) % tensor.ndim
    return MIXED if dim == row.dim else row.moved(row.dim - (dim < row.dim))
