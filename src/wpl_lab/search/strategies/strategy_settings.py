"""Settings of the strategies that learn."""

from dataclasses import dataclass

from wpl_lab.constraints import (
    Count,
    CountOrZero,
    NonNegative,
    Positive,
    Probability,
    Several,
    Weight,
)


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How the controller of ENAS learns (REINFORCE)."""

    steps: Count
    """Steps of the controller in an epoch."""
    samples: Count
    """Architectures drawn in each step."""
    hidden: Count
    """Units of its LSTM."""
    temperature: Positive
    """Temperature: divisor of its logits."""
    tanh_constant: Positive
    """Bound c of its logits, c · tanh(…)."""
    learning_rate: Positive
    """Learning rate of Adam."""
    entropy: NonNegative
    """Weight of the entropy in the objective."""
    baseline_decay: Probability
    """Decay of the moving average of rewards that serves as the baseline."""


@dataclass(frozen=True, kw_only=True)
class Population:
    """How NAO scores and renews the architectures that it trains."""

    population: Several
    """Size of the population from which the children of an epoch are drawn; at most that of the
    space."""
    samples: Count
    """Number of rewards that are averaged to the score of an architecture."""
    top: Count
    """Number of best architectures that are improved."""
    new: Count
    """Largest number of architectures that are replaced in an epoch."""
    largest_step: Count
    """Largest step size along the gradient of the predictor; 1, 2, … up to it are tried."""
    hidden: Count
    """Units of the layers of encoder, predictor and decoder."""
    steps: Count
    """Steps of Adam in an epoch."""
    batch: Count
    """Architectures with scores in each step."""
    drawn: CountOrZero
    """Architectures without scores in each step, drawn uniformly to train the decoder."""
    learning_rate: Positive
    """Learning rate of Adam."""
    tradeoff: Weight
    """λ, the weight of the predictor's loss; that of the decoder's is 1 − λ."""

    def __post_init__(self) -> None:
        """Check that some architectures of the population are kept.

        Raises:
            ValueError: If all would be replaced.
        """
        if self.new >= self.population:
            raise ValueError(f"new: {self.new} is not less than population, {self.population}")


STRATEGIES = {"enas": Policy, "nao": Population}
"""Settings of the methods that learn, by method."""
