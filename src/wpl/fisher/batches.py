"""Batches: the inputs and targets in them, and how a model is called with them.

A batch is a tensor, or nested lists, tuples and dictionaries of tensors.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

Loss = Callable[[Any, Any], Tensor]

_BAR = "{desc}{percentage:3.0f}%|{bar}| {n:.2f}/{total_fmt} batches [{elapsed}<{remaining}]"


class Samples(NamedTuple):
    """The samples of a batch, in the form that the engines take.

    Attributes:
        inputs: A tensor, or a nested structure of tensors, each with one row for each sample.
        targets: One row for each sample, or None.
        call: Calls the model with inputs, of this batch or of some of its samples; ``outputs_of``
            finds the outputs ``(batch, ...)`` in the result.
        size: Number of samples.
    """

    inputs: Any
    targets: Tensor | None
    call: Callable[[Any], Any]
    size: int


def read(model: nn.Module, batch: Any, loss: Loss | None = None) -> Samples:
    """Split a batch into inputs and targets; arguments as those of ``diagonal_fisher``.

    Returns:
        The batch in the form that the engines take; with a loss, the outputs are the losses.

    Raises:
        ValueError: If it is not batched, or contains anything but tensors.
    """
    batch = dict(batch) if isinstance(batch, Mapping) else batch
    _check_leaves(batch)
    inputs, targets = _parts(batch)
    if targets is not None:
        _check_targets(targets, inputs)
    forward = forward_of(model, inputs)
    if loss is not None:

        def losses(given: Any) -> Tensor:
            found = loss(forward(_parts(given)[0]), given)
            if found.numel() != count(given):
                raise ValueError(
                    f"loss must return one value for each sample; got shape {tuple(found.shape)} "
                    f"for {count(given)}"
                )
            return found.reshape(-1)

        return Samples(batch, None, losses, count(batch))
    size = count(inputs)
    if targets is not None and len(targets) != size:
        raise ValueError(f"the inputs have {size} rows, the targets {len(targets)}")
    return Samples(inputs, targets, forward, size)


def progress_bar(batches: Iterable[Any], *, show: bool) -> tqdm | None:
    """Make a progress bar over batches, or none, that may move within a batch, too."""
    total = len(batches) if isinstance(batches, Sized) else None
    return tqdm(total=total, bar_format=_BAR, leave=False) if show else None


def each(batches: Iterable[Any], bar: tqdm | None) -> Iterator[Any]:
    """Iterate over batches, moving the bar to the end of each.

    Yields:
        The batches.

    Raises:
        ValueError: If this is a single batch, or not an iterable of batches.
    """
    first: tuple[int, object] | None = None
    try:
        _check_several(batches)
        for done, batch in enumerate(batches, 1):
            if isinstance(batch, Tensor):
                kind = batch.ndim, batch.dtype
                if first is not None and kind != first:
                    raise ValueError(
                        "batches of inputs alone differ in dimensions or data type; for one batch "
                        "of inputs and targets expected [(inputs, targets)]"
                    )
                first = kind
            yield batch
            if bar is not None:
                bar.update(done - bar.n)
    finally:
        if bar is not None:
            bar.close()


def _check_several(batches: Any) -> None:
    """Raise an error for a single batch."""
    pair = isinstance(batches, tuple) and len(batches) > 1
    tensors = pair and all(isinstance(b, Tensor) for b in batches)
    if tensors or isinstance(batches, Tensor | Mapping):
        what = "(inputs, targets)" if pair else type(batches).__name__
        raise ValueError(f"batches is one batch, {what}; expected an iterable of batches: [batch]")
    if not hasattr(batches, "__iter__") and not hasattr(batches, "__getitem__"):
        raise ValueError(f"batches is a {type(batches).__name__}; expected an iterable of batches")


def _parts(batch: Any) -> tuple[Any, Any]:
    """Split a batch into inputs and targets."""
    if isinstance(batch, Mapping):
        return batch, batch.get("labels")
    targets = None
    if isinstance(batch, tuple | list) and len(batch) > 1:
        *batch, targets = batch
    if isinstance(batch, tuple | list):
        batch = batch[0] if len(batch) == 1 else tuple(batch)
    return (dict(batch) if isinstance(batch, Mapping) else batch), targets


def _check_leaves(batch: Any, where: str = "the batch") -> None:
    """Raise an error for arrays that are not tensors, and for tensors that are not dense."""
    if type(batch).__module__ == "numpy":
        raise ValueError(f"{where} is a numpy array; expected a tensor: torch.from_numpy(...)")
    if isinstance(batch, Tensor) and batch.is_nested:
        raise ValueError(f"{where} is a nested tensor; expected a padded one: to_padded_tensor")
    if isinstance(batch, Tensor) and batch.layout is not torch.strided:
        raise ValueError(f"{where} is {batch.layout}; expected a dense tensor: to_dense()")
    if isinstance(batch, Mapping):
        for key, value in batch.items():
            _check_leaves(value, f"{where}[{key!r}]")
    elif isinstance(batch, tuple | list):
        for k, value in enumerate(batch[:8]):
            _check_leaves(value, f"{where}[{k}]")


def _check_targets(targets: Any, inputs: Any) -> None:
    """Raise an error for targets that are not a tensor, or belong to a single sample."""
    if isinstance(targets, int | float) or (isinstance(targets, Tensor) and not targets.ndim):
        shapes = ", ".join(str(tuple(t.shape)) for t in tensors_in(inputs))
        raise ValueError(
            f"the target is one number, with inputs {shapes}: this is a sample, not a batch; wrap "
            "the data set in torch.utils.data.DataLoader(dataset, batch_size=32)"
        )
    if not isinstance(targets, Tensor):
        raise ValueError(
            f"targets are a {type(targets).__name__}; expected a tensor with one row for each "
            "sample (for anything else give loss=)"
        )


def forward_of(model: nn.Module, inputs: Any) -> Callable[[Any], Any]:
    """Choose how to call a model: ``model(**inputs)``, ``model(*inputs)`` or ``model(inputs)``."""
    inner: nn.Module = model.module if isinstance(model, DistributedDataParallel) else model
    if isinstance(inputs, Mapping):
        return lambda some: inner(**some)
    return (lambda some: inner(*some)) if isinstance(inputs, tuple) else inner


def outputs_of(result: Any) -> Tensor:
    """Find the outputs in what a model returns.

    Args:
        result: A tensor; an object or dictionary with ``logits`` (or ``out``, as segmentation
            models of torchvision have it); or a tuple, of which the first tensor that is not a
            scalar is taken.

    Returns:
        The outputs ``(batch, ...)``.

    Raises:
        ValueError: If there are none.
    """
    if isinstance(result, Tensor):
        return result
    for key in ("logits", "out"):
        found = result.get(key) if isinstance(result, Mapping) else getattr(result, key, None)
        if isinstance(found, Tensor):
            return found
    if isinstance(result, tuple | list):
        for part in result:
            if isinstance(part, Tensor) and part.ndim:
                return part
    raise ValueError(
        f"the model returns a {type(result).__name__} without logits; expected a tensor, a tuple "
        "that starts with one, or an object with .logits; for anything else give loss="
    )


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
    """Copy a nested structure, each of its tensors replaced by a function of it."""
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
