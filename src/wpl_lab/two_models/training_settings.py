"""Settings of how the two models are trained, and how the Fisher information is estimated."""

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
    """Validation accuracies at which A is kept, too: A is kept converged and at each of these."""
    check_every: Count
    """Iterations between two checks of the validation accuracy."""

    def __post_init__(self) -> None:
        """Check that the accuracy is checked at all.

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
    """How the Fisher information is estimated; a value of α means nothing without it."""

    kind: Kind
    """Labels of the gradients: empirical (the data's), mc (drawn from the prediction), exact (all,
    in expectation) or sketch (the expectation by random signs)."""
    samples: Count
    """Number of training images to estimate on."""
