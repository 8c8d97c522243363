"""Gradients that are made for each sample, to be squared."""

from torch import Tensor

from wpl.fisher.accumulation.scratch import SCRATCH, Scratch
from wpl.fisher.accumulation.sum import Contribution, Sum


def add_dense_squares_(total: Sum, contributions: list[Contribution]) -> None:
    """Add the gradients of each sample up and square them, a few samples at a time."""
    samples = contributions[0].samples
    step = max(1, SCRATCH // (2 * max(1, total.shape.numel()) * total.tensor().element_size()))
    for start in range(0, samples, step):
        rows = slice(start, start + step)
        gradients = contributions[0].dense(rows)
        for other in contributions[1:]:
            gradients = gradients + other.dense(rows)
        total.tensor().add_(gradients.square().sum(0))


class Dense:
    """Gradients that are small enough to be kept, ``(sample, *shape)``."""

    def __init__(self, gradients: Tensor) -> None:
        """Keep them."""
        self._gradients = gradients
        self.samples = len(gradients)

    def dense(self, rows: slice) -> Tensor:
        """See ``Contribution``."""
        return self._gradients[rows]

    def joined(self, others: list[Contribution]) -> "Contribution | None":
        """See ``Contribution``."""
        if not all(isinstance(other, Dense) for other in others):
            return None
        return Dense(sum((o.dense(slice(None)) for o in others), self._gradients))

    def add_squares_(self, total: Sum, scratch: Scratch) -> None:
        """See ``Contribution``."""
        del scratch
        total.add_(self._gradients.square().sum(0))
