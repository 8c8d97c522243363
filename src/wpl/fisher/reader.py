"""Reads batches, and makes the vectors that are back-propagated for their samples."""

import math
from collections.abc import Callable
from typing import Any, get_args

import torch
from torch import Tensor, nn

from wpl.fisher.calling import Loss, Samples, read
from wpl.fisher.first_batch import (
    check_outputs,
    check_samples_come_first,
    labels_are_ahead,
    shifted,
)
from wpl.fisher.scores import Estimand, Scores
from wpl.kinds import Kind, LikelihoodName, Unit


class Reader:
    """Reads the batches of one estimate, and checks the first one closely."""

    def __init__(
        self,
        model: nn.Module,
        estimand: Estimand,
        *,
        loss: Loss | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        """Set up before the first batch.

        Args:
            model: In eval mode when batches are read.
            estimand: What to estimate.
            loss: As in ``diagonal_fisher``.
            generator: As in ``diagonal_fisher``.
        """
        self._model, self._estimand = model, estimand
        self._loss, self._generator = loss, generator
        self._ahead: bool | None = None  # whether labels are one position ahead, once known
        self._seen = False  # whether the first outputs were checked

    def read(self, batch: Any) -> Samples:
        """Split a batch into inputs and targets; see ``read``.

        Returns:
            The samples, with targets at the positions of the outputs.
        """
        samples = read(self._model, batch, self._loss)
        if samples.size == 0:
            return samples
        ignore = self._estimand.ignore_index
        if self._ahead is None:
            self._ahead = self._loss is None and labels_are_ahead(self._model, batch, ignore)
            check_samples_come_first(self._model, samples)
        if self._ahead and samples.targets is not None:
            return samples._replace(targets=shifted(samples.targets, ignore))
        return samples

    def scores(
        self,
        samples: Samples,
        outputs: Tensor,
        *,
        scale: float,
        empirical: bool = False,
        progress: Callable[[float], None] | None = None,
    ) -> Scores:
        """Make the vectors to back-propagate from the outputs.

        Args:
            samples: As returned by ``read``.
            outputs: Outputs for the samples, ``(batch, ...)``.
            scale: Factor on all vectors.
            empirical: Whether to use the given labels, whatever the kind.
            progress: Called with each vector's share of the batch.

        Returns:
            The vectors.

        Raises:
            ValueError: If outputs and targets are on different devices.
        """
        if samples.targets is not None and samples.targets.device != outputs.device:
            raise ValueError(
                f"the targets are on {samples.targets.device}, the model's outputs on "
                f"{outputs.device}"
            )
        if not self._seen:
            check_outputs(outputs, samples, self._estimand.likelihood)
            self._seen = True
        estimand = self._estimand._replace(kind="empirical") if empirical else self._estimand
        return Scores(
            estimand,
            outputs,
            samples.targets,
            generator=self._generator,
            scale=scale,
            progress=progress,
        )


def checked_estimand(
    *,
    kind: Kind,
    likelihood: LikelihoodName,
    loss: Loss | None,
    per: Unit,
    draws: int,
    class_dim: int | None,
    ignore_index: int,
    floor: float = 0.0,
) -> Estimand:
    """Check the arguments that say what to estimate; they are as in ``diagonal_fisher``.

    Returns:
        What to estimate.

    Raises:
        ValueError: If one is unknown, or contradicts the others.
    """
    for name, given, known in (
        ("kind", kind, get_args(Kind)),
        ("likelihood", likelihood, get_args(LikelihoodName)),
        ("per", per, get_args(Unit)),
    ):
        if given not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}; got {given!r}")
    if draws < 1:
        raise ValueError(f"draws must be at least 1; got {draws}")
    if not 0 <= floor < math.inf:
        raise ValueError(f"floor must be finite and not negative; got {floor}")
    if loss is None:
        return Estimand(kind, likelihood, per, draws, class_dim, ignore_index)
    if kind != "empirical" or likelihood != "categorical":
        raise ValueError(
            "loss= takes the place of a likelihood, and says nothing about the distribution of "
            f"labels: expected kind='empirical' and no likelihood; got {kind!r} and {likelihood!r}"
        )
    return Estimand(kind, "loss", per, draws, class_dim, ignore_index)
