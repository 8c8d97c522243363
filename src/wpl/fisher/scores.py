"""Vectors v_k to back-propagate: Σ_k (Jᵀ v_k)² is the squared score of a sample."""

import math
from collections.abc import Callable, Iterator
from copy import copy
from typing import Any, NamedTuple, get_args

import torch
from torch import Tensor

from wpl.fisher.accumulation.squares import precise
from wpl.fisher.likelihoods.categorical import CATEGORICAL
from wpl.fisher.likelihoods.elementwise import BERNOULLI, GAUSSIAN
from wpl.fisher.likelihoods.given_loss import LOSS
from wpl.fisher.likelihoods.likelihood import signs
from wpl.kinds import Kind, LikelihoodName, Unit

LIKELIHOODS = {
    "categorical": CATEGORICAL,
    "bernoulli": BERNOULLI,
    "gaussian": GAUSSIAN,
    "loss": LOSS,
}


class Estimand(NamedTuple):
    """What to estimate, by the arguments of ``diagonal_fisher``."""

    kind: str = "empirical"
    likelihood: str = "categorical"
    per: str = "sequence"
    draws: int = 1
    class_dim: int | None = None
    ignore_index: int = -100

    def checked(self, loss: Callable[..., Any] | None, floor: float = 0.0) -> "Estimand":
        """Check the arguments, together with two others of ``diagonal_fisher``.

        Returns:
            What to estimate.

        Raises:
            ValueError: If one is unknown, or contradicts the others.
        """
        for name, given, known in (
            ("kind", self.kind, get_args(Kind)),
            ("likelihood", self.likelihood, get_args(LikelihoodName)),
            ("per", self.per, get_args(Unit)),
        ):
            if given not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}; got {given!r}")
        if self.draws < 1:
            raise ValueError(f"draws must be at least 1; got {self.draws}")
        if not 0 <= floor < math.inf:
            raise ValueError(f"floor must be finite and not negative; got {floor}")
        if loss is None:
            return self
        if self.kind != "empirical" or self.likelihood != "categorical":
            raise ValueError(
                "loss= takes the place of a likelihood, and says nothing about the distribution "
                "of labels: expected kind='empirical' and no likelihood; got "
                f"{self.kind!r} and {self.likelihood!r}"
            )
        return self._replace(likelihood="loss")


class Scores:
    """Vectors v_k for the outputs of a batch, in the shape of the outputs.

    The score of a sample for a label is Jᵀ v; the mean of its square over labels is Σ_k (Jᵀ v_k)².
    As positions are independent, each has its own vectors; those that do not count have none.
    Iterating again gives the same vectors.

    Args:
        estimand: What the vectors are for.
        outputs: ``(batch, ...)``.
        targets: In the shape that the likelihood requires. Positions of ``ignore_index`` do not
            count, for any kind; other labels are used by ``"empirical"`` only.
        generator: Source of drawn labels (``"mc"``) and signs (``"sketch"``).
        scale: Factor on all vectors.
        progress: Called after each vector, with its share of the batch.

    Raises:
        ValueError: If the targets do not fit the outputs, or are missing.
    """

    def __init__(
        self,
        estimand: Estimand,
        outputs: Tensor,
        targets: Tensor | None,
        *,
        generator: torch.Generator | None = None,
        scale: float = 1.0,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        self._kind, self._law = estimand.kind, LIKELIHOODS[estimand.likelihood]
        self._dtype, self._progress, self._batch = outputs.dtype, progress, len(outputs)
        self._z, y, self._restore = self._law.standard(
            outputs.detach(), targets, estimand.class_dim
        )
        if y is None and self._kind == "empirical":
            raise ValueError(
                "kind 'empirical' needs targets: expected batches (inputs, targets); got inputs "
                "alone (the kinds 'mc', 'exact' and 'sketch' need no targets)"
            )
        counted = None if y is None else y != estimand.ignore_index
        if counted is None or counted.all():
            counted = None
        self.samples = len(self._z) if counted is None else int(counted.any(1).sum())
        self._weight = self._weights(counted, scale, estimand)
        self._drawn = self._labels(y, counted, estimand.draws, generator)

    def _weights(self, counted: Tensor | None, scale: float, estimand: Estimand) -> Tensor | float:
        """Compute the factors on all vectors: a number, or ``(batch, position, 1)``."""
        if estimand.kind in {"mc", "sketch"}:
            scale /= estimand.draws**0.5
        if counted is None:
            return scale / self._z.shape[1] if estimand.per == "token" else scale
        weight = counted.to(precise(self._z).dtype).mul_(scale)
        if estimand.per == "token":
            weight /= counted.sum(1, keepdim=True).clamp(min=1)
        return weight.unsqueeze(-1)

    def _labels(
        self,
        y: Tensor | None,
        counted: Tensor | None,
        draws: int,
        generator: torch.Generator | None,
    ) -> Tensor | None:
        """Make the labels, or the signs, of each draw: ``(batch, draw, position, ...)``."""
        if self._kind == "mc":
            return self._law.draw(self._z, draws, generator)
        if self._kind == "sketch":
            batch, *rest = self._z.shape
            return signs((batch, draws, *rest), self._z, generator)
        if self._kind == "exact":
            self._law.number(self._z)
            return None
        assert y is not None
        self._law.check_labels(self._z, y if counted is None else y[counted])
        return (y if counted is None else y.where(counted, 0)).unsqueeze(1)

    def rows(self, rows: slice | Tensor) -> "Scores":
        """Select some samples, by a slice or indices."""
        some = copy(self)
        some._z = self._z[rows]
        some._drawn = None if self._drawn is None else self._drawn[rows]
        some._weight = self._weight[rows] if isinstance(self._weight, Tensor) else self._weight
        return some

    def __len__(self) -> int:
        """Number of vectors."""
        return self._law.number(self._z) if self._drawn is None else self._drawn.shape[1]

    def __iter__(self) -> Iterator[Tensor]:
        """Iterate over the vectors."""
        z = precise(self._z)
        if self._drawn is None:
            vectors = self._law.factors(z)
        else:
            of_one = self._law.sketch if self._kind == "sketch" else self._law.error
            vectors = (of_one(z, drawn) for drawn in self._drawn.unbind(1))
        for vector in vectors:
            yield self._restore(vector.mul_(self._weight)).to(self._dtype)
            if self._progress is not None:
                self._progress(len(z) / self._batch / len(self))

    def loss(self) -> Tensor:
        """Sum −log p of the given labels over the samples, each with the factor on its vectors."""
        assert self._kind == "empirical"
        assert self._drawn is not None
        each = self._law.loss(self._z, self._drawn.squeeze(1))
        weight = self._weight
        return (each * (weight.squeeze(-1) if isinstance(weight, Tensor) else weight)).sum()
