"""Gradients that are computed for each sample, then squared."""

from torch import Tensor

from wpl.fisher.accumulation.contribution import Contribution
from wpl.fisher.accumulation.scratch import SCRATCH
from wpl.fisher.accumulation.total import Total


def add_squares_(total: Total, contributions: list[Contribution]) -> None:
    """Sum the contributions of several uses for each sample, square, and add to the total."""
    whole = contributions[0] if len(contributions) == 1 else None
    for k, one in enumerate(contributions):
        whole = whole or one.joined([*contributions[:k], *contributions[k + 1 :]])
    if whole is None:
        add_dense_squares_(total, contributions)
    else:
        whole.add_squares_(total)


def add_dense_squares_(total: Total, contributions: list[Contribution]) -> None:
    """Compute the gradients of a few samples at a time, sum over uses, square, and add."""
    samples = contributions[0].samples
    step = max(1, SCRATCH // (2 * max(1, total.shape.numel()) * total.tensor().element_size()))
    for start in range(0, samples, step):
        rows = slice(start, start + step)
        gradients = contributions[0].dense(rows)
        for other in contributions[1:]:
            gradients = gradients + other.dense(rows)
        total.tensor().add_(gradients.square().sum(0))


class Dense:
    """Gradients that are small enough to be stored."""

    def __init__(self, gradients: Tensor) -> None:
        """Store the gradients.

        Args:
            gradients: ``(sample, *shape)``, with the shape of the parameter.
        """
        self._gradients = gradients
        self.samples = len(gradients)

    def dense(self, rows: slice) -> Tensor:
        """See ``Contribution``."""
        return self._gradients[rows]

    def joined(self, others: list[Contribution]) -> Contribution | None:
        """See ``Contribution``."""
        if not all(isinstance(other, Dense) for other in others):
            return None
        return Dense(sum((o.dense(slice(None)) for o in others), self._gradients))

    def add_squares_(self, total: Total) -> None:
        """See ``Contribution``."""
        total.add_(self._gradients.square().sum(0))
