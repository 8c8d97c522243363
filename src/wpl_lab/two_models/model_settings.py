"""Settings of the two models in sequence: the arms, and what is compared."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import MinLen

from wpl.kinds import Curvature
from wpl_lab.arm_choice import check_arms
from wpl_lab.constraints import Count, NonNegative, Positive


@dataclass(frozen=True, kw_only=True)
class Compare:
    """What is compared: shared layers and arms."""

    shared: Annotated[tuple[Count, ...], MinLen(1)]
    """Numbers of layers that A and B share, from the input on."""
    arms: Annotated[tuple[str, ...], MinLen(1)]
    """Arms (methods on the shared weights) that are run for every number of shared layers; default:
    those that the table of arms (src/wpl_lab/arms.py) marks for it."""
    remedies: tuple[str, ...]
    """Further arms, run at the headline number of shared layers only; default as above."""
    headline: Count
    """Number of shared layers of the headline figures: all stops, and the trade-off over α."""

    def __post_init__(self) -> None:
        """Check the arms.

        Raises:
            ValueError: If an arm is unknown, or the baseline is missing.
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
    """Added to the Fisher information, which is exactly 0 for dead units, so that no α protects
    those."""


@dataclass(frozen=True, kw_only=True)
class Omega(Anchor):
    """The exact quadratic form Ω, which the diagonal Fisher information approximates."""

    curvature: Curvature
    """Second derivatives of the negative log posterior: ggn, or hessian, whose Ω is indefinite, so
    that training diverges for a large α."""
    damping: NonNegative
    """Added to the diagonal of the private block before its inversion; a very large value fixes the
    private weights of A."""


@dataclass(frozen=True, kw_only=True)
class Si(Anchor):
    """Synaptic intelligence; its importance is scaled to the mean of the Fisher information."""

    damping: Positive
    """ξ, which bounds the importance of weights that have not moved."""


@dataclass(frozen=True, kw_only=True)
class Split(Anchor):
    """One network learns half of the classes (A), then the others (B)."""

    arms: tuple[str, ...]
    """Arms; default: those that the table of arms marks for it; empty: none is trained, as for data
    with two or three classes."""
    alphas: tuple[Positive, ...]
    """Strengths at which the methods are compared."""

    def __post_init__(self) -> None:
        """Check the arms.

        Raises:
            ValueError: If an arm is unknown, or the baseline is missing.
        """
        check_arms("arms", self.arms, "split")


@dataclass(frozen=True, kw_only=True)
class Tradeoff:
    """Strengths for the trade-off between the accuracies of A and B."""

    alphas: Annotated[tuple[Positive, ...], MinLen(1)]
    """Strengths at which every anchor is run, besides its own."""
