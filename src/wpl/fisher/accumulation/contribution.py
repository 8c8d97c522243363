"""What one use of a parameter contributes to the gradient of each sample."""

from typing import Protocol

from torch import Tensor

from wpl.fisher.accumulation.total import Total


class Contribution(Protocol):
    """A gradient for each sample, kept in whatever form is the cheapest to square."""

    samples: int

    def dense(self, rows: slice) -> Tensor:
        """Make the gradients of some samples, ``(sample, *shape)``."""

    def joined(self, others: "list[Contribution]") -> "Contribution | None":
        """Add the gradients of other uses, if the sum has a cheaper form than dense."""

    def add_squares_(self, total: Total) -> None:
        """Add the squares of all samples' gradients to a total."""


class Accumulation(Protocol):
    """What is made of the contributions to each parameter: ``Squares``, or others like it."""

    def begin_batch(self, passes: int) -> None:
        """Announce how many backward passes there will be for each sample."""

    def add_(
        self, parameter: Tensor, contributions: list[Contribution], rows: slice | Tensor
    ) -> None:
        """Take what all uses of a parameter contribute in one backward pass.

        Args:
            parameter: One of the parameters.
            contributions: A sample's gradient is the sum of theirs.
            rows: Which samples of the batch these are.
        """

    def end_batch(self) -> None:
        """Close a batch."""
