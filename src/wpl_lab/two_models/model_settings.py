"""Settings of the two models in sequence: their training, the arms, and what is compared."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Gt, Le, MinLen

from wpl.kinds import Curvature, Kind
from wpl_lab.arms import check_arms
from wpl_lab.constraints import Count, NonNegative, Positive, Several, Share


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


@dataclass(frozen=True, kw_only=True)
class Compare:
    """What is compared."""

    shared: Annotated[tuple[Count, ...], MinLen(1)]
    """Numbers of first layers that A and B share."""
    arms: Annotated[tuple[str, ...], MinLen(1)]
    """Arms, methods on the shared weights, that are run for every number of shared layers;
    default: those which the table of arms marks for it (src/wpl_lab/arms.py)."""
    remedies: tuple[str, ...]
    """Further arms, run at the headline number of shared layers only; default as above."""
    headline: Count
    """Number of shared layers of the headline figures: all stops, and the trade-off over α."""

    def __post_init__(self) -> None:
        """Check the arms.

        Raises:
            ValueError: If one is unknown, or nothing is there to compare with.
        """
        check_arms("arms", self.arms, "shared")
        check_arms("remedies", self.remedies, "headline", baseline=False)


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """A penalty that holds the shared weights near those of A."""

    alpha: NonNegative
    """Strength α of the penalty."""


@dataclass(frozen=True, kw_only=True)
class Floor(Anchor):
    """The weight plasticity loss with a floor under the Fisher information."""

    floor: NonNegative
    """Added to the Fisher information, which is exactly 0 for dead units: no α protects those."""


@dataclass(frozen=True, kw_only=True)
class Omega(Anchor):
    """The exact quadratic form Ω, which the diagonal Fisher information approximates."""

    curvature: Curvature
    """Second derivatives of the negative log posterior: ggn, or hessian, whose Ω is not positive,
    so that a large α diverges."""
    damping: NonNegative
    """Added to the diagonal of the private block before it is inverted; a very large value holds
    A's private weights."""


@dataclass(frozen=True, kw_only=True)
class Si(Anchor):
    """Synaptic intelligence; its importance is scaled to the mean of the Fisher information."""

    damping: Positive
    """ξ, which bounds the importance of weights that have not moved."""


@dataclass(frozen=True, kw_only=True)
class Split(Anchor):
    """One network learns half of the classes (A), then the others (B)."""

    arms: Annotated[tuple[str, ...], MinLen(1)]
    """Arms; default: those which the table of arms marks for it."""
    alphas: tuple[Positive, ...]
    """Strengths at which the methods are compared."""

    def __post_init__(self) -> None:
        """Check the arms.

        Raises:
            ValueError: If one is unknown, or nothing is there to compare with.
        """
        check_arms("arms", self.arms, "split")


@dataclass(frozen=True, kw_only=True)
class Tradeoff:
    """Strengths at which arms are compared: what A keeps against what B learns."""

    alphas: Annotated[tuple[Positive, ...], MinLen(1)]
    """Strengths at which every anchor is run, beside its own."""
