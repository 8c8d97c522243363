"""Control flow that depends on values: samples that take the same branch continue together."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from wpl.fisher.batches import map_tensors, tensors_in

# Functions from tensors to plain values, on which a program may branch.
DECISIONS = {
    *(Tensor.__bool__, Tensor.__int__, Tensor.__float__, Tensor.__index__, Tensor.item),
    *(Tensor.tolist, Tensor.is_nonzero, Tensor.equal, Tensor.allclose, Tensor.__contains__),
    *(torch.is_nonzero, torch.equal, torch.allclose),
}


class DisagreementError(Exception):
    """The samples would take different branches; ``groups`` holds the rows of each branch."""

    def __init__(self, groups: list[Tensor]) -> None:
        """Keep the rows.

        Args:
            groups: For each branch, its rows ``(sample)``.
        """
        super().__init__()
        self.groups = groups


def decide(
    func: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    raw: Callable[[Tensor], Tensor],
) -> Any:
    """Evaluate a function for each sample separately.

    Args:
        func: A function from tensors to a plain value.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
        raw: Maps a tensor with samples to ``(sample, *shape)``, any other to itself.

    Returns:
        The value, if it is the same for all samples.

    Raises:
        DisagreementError: If it differs.
    """
    unwrapped = [r for t in tensors_in([args, kwargs]) if (r := raw(t)) is not t]
    if not unwrapped:
        return func(*args, **kwargs)
    rows: dict[str, list[int]] = {}
    value = None
    for row in range(len(unwrapped[0])):

        def of_row(t: Tensor, row: int = row) -> Tensor:
            found = raw(t)
            return found if found is t else found[row]

        value = func(*map_tensors(args, of_row), **map_tensors(kwargs, of_row))
        rows.setdefault(repr(value), []).append(row)
    if len(rows) > 1:
        raise DisagreementError([torch.tensor(group) for group in rows.values()])
    return value
