"""Batches of any structure: tensors, or nested lists, tuples and dictionaries of them."""

from collections.abc import Callable
from typing import Any

from torch import Tensor


def tensors_in(value: object) -> list[Tensor]:
    """List the tensors in a nested structure, of any shapes, in order."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return []
    found: list[Tensor] = []
    for item in value:
        if isinstance(item, Tensor):
            found.append(item)
        elif isinstance(item, (list, tuple, dict)):
            found += tensors_in(item)
    return found


def map_tensors(value: Any, new: Callable[[Tensor], Any]) -> Any:
    """Copy a nested structure, replacing its tensors.

    Args:
        value: The structure, with tensors of any shapes.
        new: Maps each tensor to its replacement.

    Returns:
        The copy.
    """
    if isinstance(value, Tensor):
        return new(value)
    if isinstance(value, dict):
        return {key: map_tensors(v, new) for key, v in value.items()} if value else value
    if isinstance(value, (list, tuple)):
        items = [map_tensors(v, new) for v in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value


def count(inputs: object) -> int:
    """Count the samples of a batch.

    Returns:
        The length of its tensors.

    Raises:
        ValueError: If it has no tensors, or tensors of different lengths.
    """
    lengths = {len(t) if t.ndim else 0 for t in tensors_in(inputs)}
    if len(lengths) != 1:
        some = f"tensors with {', '.join(map(str, sorted(lengths)))} rows"
        got = some if lengths else f"a {type(inputs).__name__} without tensors"
        raise ValueError(f"expected inputs of tensors with one row for each sample; got {got}")
    return lengths.pop()
