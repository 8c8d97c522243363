"""Checks of the first batch, for mistakes that would silently give wrong values."""

import warnings
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wpl.fisher.batches import Samples, map_tensors, outputs_of


def labels_are_ahead(model: nn.Module, batch: Any, ignore_index: int) -> bool:
    """Find out whether a model compares its outputs at each position with the label of the next.

    Causal language models of Hugging Face shift the labels themselves. To detect it, the loss that
    the model computes is compared with that of labels at the same and at the next positions.

    Returns:
        Whether labels belong to the outputs one position before; False without ``labels``.

    Raises:
        ValueError: If the model's loss is neither of the two.
    """
    labels = batch.get("labels") if isinstance(batch, Mapping) else None
    if not isinstance(labels, Tensor) or labels.ndim != 2 or labels.is_floating_point():
        return False
    rows = (labels != ignore_index).sum(1).topk(min(2, len(labels))).indices
    some = map_tensors(dict(batch), lambda t: t[rows])
    with torch.no_grad():
        result = model(**some)
    loss, logits = getattr(result, "loss", None), outputs_of(result).double()
    if loss is None or loss.ndim or logits.ndim != 3 or logits.shape[:2] != some["labels"].shape:
        return False
    y = some["labels"].where(some["labels"] != ignore_index, -100)
    here = _gap(logits, y, loss)
    ahead = _gap(logits[:, :-1], y[:, 1:], loss)
    if here == ahead or min(here, ahead) > 1e-2 * max(1.0, abs(float(loss))):
        raise ValueError(
            "the loss that the model computes is neither that of the labels at their positions nor "
            "at the next ones; give pairs (inputs, targets), or loss=lambda outputs, batch: "
            "outputs.loss"
        )
    return ahead < here


def _gap(logits: Tensor, y: Tensor, loss: Tensor) -> float:
    found = F.cross_entropy(logits.flatten(0, 1), y.flatten())
    return float((found - loss).abs().nan_to_num(nan=torch.inf))


def shifted(labels: Tensor, ignore_index: int) -> Tensor:
    """Shift labels ``(batch, time)`` to the position before; the last position then has none."""
    return F.pad(labels[:, 1:], (0, 1), value=ignore_index)


def check_samples_come_first(model: nn.Module, batch: Samples) -> None:
    """Raise an error for a model whose layers take time first, so that rows are not samples.

    A layer with ``batch_first=False`` may be part of a model that transposes its inputs, so the
    outputs of a row alone are compared with those of the row in a batch of two.

    Raises:
        ValueError: If the outputs of a row depend on the row before.
    """
    layers = [m for m in model.modules() if getattr(m, "batch_first", True) is False]
    if not layers or batch.size < 2:
        return

    def outputs(rows: slice) -> Tensor:
        return outputs_of(batch.call(map_tensors(batch.inputs, lambda t: t[rows])))

    with torch.no_grad():
        both, alone = outputs(slice(0, 2)), outputs(slice(1, 2))
    if both.shape[1:] != alone.shape[1:] or not torch.allclose(
        both[-1], alone[-1], rtol=1e-3, atol=1e-3 * float(alone.abs().max())
    ):
        raise ValueError(
            f"the outputs of a row depend on the other rows: {type(layers[0]).__name__} has "
            "batch_first=False, and takes the first dimension for time; a row of the inputs and "
            "of the outputs must be a sample"
        )


def check_outputs(outputs: Tensor, batch: Samples, likelihood: str) -> None:
    """Warn of probabilities in place of logits, and raise an error for unmarked padding.

    Raises:
        ValueError: If there is padding, and no labels that say which positions count.
    """
    if likelihood == "categorical":
        first = outputs.detach()[0].double()
        sums = first.sum(0 if outputs.ndim > 3 else -1)
        if (first >= 0).all() and torch.allclose(sums, torch.ones_like(sums), atol=1e-3):
            warnings.warn(
                "the outputs are not negative and sum to one: probabilities? Expected logits, the "
                "outputs before softmax",
                stacklevel=3,
            )
    mask = batch.inputs.get("attention_mask") if isinstance(batch.inputs, Mapping) else None
    padded = isinstance(mask, Tensor) and mask.ndim == 2 and not mask.all()
    if padded and batch.targets is None and outputs.ndim == 3:
        raise ValueError(
            "the batch has padding (attention_mask) and no labels: give labels, with -100 where a "
            "position does not count, for every kind"
        )
