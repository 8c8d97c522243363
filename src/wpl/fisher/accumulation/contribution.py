"""What one use of a parameter contributes to the gradient of each sample."""

from typing import Protocol

from torch import Tensor

from wpl.fisher.accumulation.total import Total


class Contribution(Protocol):
    """The gradient of each sample, in the form that is cheapest to square."""

    samples: int

    def dense(self, rows: slice) -> Tensor:
        """Make the gradients of some samples.

        Args:
            rows: Which samples.

        Returns:
            ``(sample, *shape)``, with the shape of the parameter.
        """

    def joined(self, others: "list[Contribution]") -> "Contribution | None":
        """Add the gradients of other uses; None if the sum has no cheaper form than dense."""

    def add_squares_(self, total: Total) -> None:
        """Add the squares of all samples' gradients to a total."""


class Accumulation(Protocol):
    """Accumulates the contributions to each parameter: as squares, or as norms."""

    def begin_batch(self, passes: int) -> None:
        """Announce how many backward passes there will be for each sample."""

    def add_(
        self, parameter: Tensor, contributions: list[Contribution], rows: slice | Tensor
    ) -> None:
        """Add the contributions of all uses of a parameter in one backward pass.

        Args:
            parameter: One of the parameters, of any shape.
            contributions: One per use; a sample's gradient is their sum.
            rows: Which samples of the batch these are.
        """

    def end_batch(self) -> None:
        """Finish a batch."""
