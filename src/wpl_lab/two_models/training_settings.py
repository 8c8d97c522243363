"""Settings of the training of the two models and of the estimate of the Fisher information."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Gt, Le

from wpl.kinds import Kind
from wpl_lab.constraints import Count, NonNegative, Several, Share


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a model is trained."""

    depth: Several
    """Number of layers."""
    iterations: Count
    """Steps of Adam."""
    batch_size: Count
    """Images of a training batch."""
    learning_rate: Annotated[float, Gt(0), Le(10)]
    """Learning rate of Adam."""
    weight_decay: NonNegative
    """λ of the loss term λ/2 ‖θ‖²."""


@dataclass(frozen=True, kw_only=True)
class First(Training):
    """How the first model, A, is trained to convergence."""

    stops: tuple[Share, ...]
    """Validation accuracies at which copies of A are kept, besides the converged model."""
    check_every: Count
    """Iterations between two checks of the validation accuracy."""

    def __post_init__(self) -> None:
        """Check that the accuracy is checked at least once.

        Raises:
            ValueError: If training ends before the first check.
        """
        if self.check_every > self.iterations:
            raise ValueError(
                f"check_every: {self.check_every} is more than iterations, {self.iterations}"
            )


@dataclass(frozen=True, kw_only=True)
class Second(Training):
    """How the second model, B, is trained."""

    record_every: Count
    """Iterations between two records of the accuracies of A and B."""


@dataclass(frozen=True, kw_only=True)
class Fisher:
    """How the Fisher information is estimated; a value of α has no meaning without it."""

    kind: Kind
    """Labels of the gradients: empirical (of the data), mc (drawn from the prediction), exact
    (expectation over the prediction) or sketch (that expectation by random signs)."""
    samples: Count
    """Number of training images to estimate on."""
