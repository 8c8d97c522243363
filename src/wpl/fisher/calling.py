"""How inputs and targets are found in a batch, and how the model is called with it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from wpl.fisher.batches import count, tensors_in
from wpl.fisher.forward import forward_of

Loss = Callable[[Any, Any], Tensor]


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
    """Split a batch into inputs and targets.

    Args:
        model: Called as ``model(x)`` for a batch ``(x, y)``, as ``model(x1, x2)`` for ``(x1, x2,
            y)``, and as ``model(**batch)`` for a dictionary, whose targets are its ``labels``.
        batch: As in ``diagonal_fisher``.
        loss: If given, the outputs are ``loss(model(...), batch)``, a loss for each sample.

    Returns:
        The batch in the form that the engines take.

    Raises:
        ValueError: If it is not batched, or contains anything but tensors.
    """
    batch = dict(batch) if isinstance(batch, Mapping) else batch
    inputs, targets = _parts(batch)
    _check_leaves(batch)
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


def each(batches: Iterable[Any]) -> Iterator[Any]:
    """Iterate over batches, and raise an error for a single one.

    Args:
        batches: As in ``diagonal_fisher``.

    Yields:
        The batches.

    Raises:
        ValueError: If this is a single batch, or not an iterable of batches.
    """
    pair = isinstance(batches, tuple) and len(batches) > 1
    if isinstance(batches, Tensor | Mapping) or (pair and all(map(_is_tensor, batches))):
        what = "(inputs, targets)" if pair else type(batches).__name__
        raise ValueError(f"batches is one batch, {what}; expected an iterable of batches: [batch]")
    if not hasattr(batches, "__iter__") and not hasattr(batches, "__getitem__"):
        raise ValueError(f"batches is a {type(batches).__name__}; expected an iterable of batches")
    first: tuple[int, object] | None = None
    for batch in batches:
        if isinstance(batch, Tensor):
            kind = batch.ndim, batch.dtype
            if first is not None and kind != first:
                raise ValueError(
                    "batches of inputs alone differ in dimensions or data type; for one batch of "
                    "inputs and targets expected [(inputs, targets)]"
                )
            first = kind
        yield batch


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


def _is_tensor(value: object) -> bool:
    return isinstance(value, Tensor)


def _check_leaves(batch: Any, where: str = "the batch") -> None:
    """Raise an error for arrays that are not tensors."""
    if type(batch).__module__ == "numpy":
        raise ValueError(f"{where} is a numpy array; expected a tensor: torch.from_numpy(...)")
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
