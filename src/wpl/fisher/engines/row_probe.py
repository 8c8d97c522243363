"""Whether a call treats the samples one by one, tried out on a few of them."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from wpl.fisher.engines.rows import MIXED, Place, Rows

_TOLERANCE = 1e-3  # of the largest value; what other samples add to a result is rarely so small


def tensors_in(value: object) -> list[Tensor]:
    """List the tensors in nested lists, tuples and dictionaries."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, (list, tuple)):
        return []
    found: list[Tensor] = []
    for item in value:
        if isinstance(item, Tensor):
            found.append(item)
        elif isinstance(item, (list, tuple, dict)):
            found += tensors_in(item)
    return found


def replace_tensors(value: Any, new: Callable[[Tensor], Tensor]) -> Any:
    """Copy nested lists, tuples and dictionaries with other tensors.

    Returns:
        The copy.
    """
    if isinstance(value, Tensor):
        return new(value)
    if isinstance(value, dict):
        return {key: replace_tensors(v, new) for key, v in value.items()}
    if isinstance(value, list | tuple):
        items = [replace_tensors(v, new) for v in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value


def probe(
    func: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    place_of: Callable[[Tensor], Place | None],
    results: list[Tensor],
    batch: int,
) -> list[Place]:
    """Call a function on some samples alone and compare with its result for all of them.

    Args:
        func: A function without effects.
        args: What it was called with.
        kwargs: And by keyword.
        place_of: Where the samples are in a tensor; None if it holds none.
        results: The tensors it returned.
        batch: Number of samples.

    Returns:
        Where the samples are in each result.
    """
    found: list[Place] | None = None
    for sample in sorted({0, batch // 2, batch - 1}):

        def alone(t: Tensor, sample: int = sample) -> Tensor:
            place = place_of(t)
            if place is None:
                return t.detach()
            if not isinstance(place, Rows) or place.outer * place.inner != 1:
                raise ValueError("not one dimension of its own")
            return t.detach().narrow(place.dim, sample, 1)

        try:
            with torch.no_grad():
                parts = tensors_in(
                    func(*replace_tensors(args, alone), **replace_tensors(kwargs, alone))
                )
            places = [
                _compare(part, whole, sample, batch)
                for part, whole in zip(parts, results, strict=True)
            ]
        except (RuntimeError, ValueError, IndexError, TypeError):
            return [MIXED] * len(results)
        found = places if found in (None, places) else [MIXED] * len(results)
    return found or []


def _compare(part: Tensor, whole: Tensor, sample: int, batch: int) -> Place:
    for dim in range(whole.ndim):
        shape = [*whole.shape[:dim], 1, *whole.shape[dim + 1 :]]
        if whole.shape[dim] == batch and list(part.shape) == shape:
            slice_ = whole.detach().narrow(dim, sample, 1).double()
            part = part.double()
            atol = (
                _TOLERANCE * float(slice_.abs().nan_to_num(0, 0, 0).max()) if slice_.numel() else 0
            )
            same = torch.allclose(slice_, part, rtol=_TOLERANCE, atol=atol, equal_nan=True)
            return Rows(dim) if same else MIXED
    return MIXED
