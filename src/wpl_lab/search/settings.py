"""What a search is told: the numbers of params.yaml."""

from dataclasses import dataclass

from wpl.fisher.scores import Kind


@dataclass(frozen=True, kw_only=True)
class Training:
    """How the shared weights are trained.

    Attributes:
        epochs: Number of epochs.
        children: Children trained in turn in an epoch.
        batches: Training batches of each child.
        learning_rate: Of gradient descent.
        decay: Factor on the learning rate for each epoch after ``decay_from``.
        decay_from: Number of epochs with the full learning rate.
        gradient_norm: Longest gradient of the loss; longer ones are shortened to it.
        weight_decay: λ of the loss term λ/2 ‖θ‖².
        explosion: A cross-entropy above this many times that of guessing is an explosion.
        candidates: Architectures drawn at the end, of which the best by shared weights is found.
        exhaustive: In spaces of at most this size every architecture is scored.
        ranked_every: Epochs from one such ranking to the next; the last epoch ends with one.
    """

    epochs: int
    children: int
    batches: int
    learning_rate: float
    decay: float
    decay_from: int
    gradient_norm: float
    weight_decay: float
    explosion: float
    candidates: int
    exhaustive: int
    ranked_every: int

    def ranks(self, size: int, epoch: int) -> bool:
        """Tell whether all architectures of a space are scored after an epoch, counted from 0."""
        return size <= self.exhaustive and (self.epochs - 1 - epoch) % self.ranked_every == 0

    def learning_rate_at(self, epoch: int) -> float:
        """Give the learning rate of an epoch, counted from 0."""
        return self.learning_rate * self.decay ** max(0, epoch + 1 - self.decay_from)


@dataclass(frozen=True, kw_only=True)
class Plasticity:
    """How the weights of earlier children are protected.

    Attributes:
        alpha: Strength α of the penalty.
        warmup: Number of first epochs with α = 0.
        decay_from: α falls linearly from this epoch on, to 0 after the last; None: it does not.
        uniform: Whether all weights of a child get the mean of their Fisher information.
        rate: η, the share of the newest child in the running Fisher information.
        largest_norm: Longest norm of a tensor of the running Fisher information.
        kind: Labels of the Fisher information.
        protect: Which shared weights are protected, by the first part of their names.
    """

    alpha: float
    warmup: int
    decay_from: int | None
    uniform: bool
    rate: float
    largest_norm: float
    kind: Kind
    protect: tuple[str, ...]

    def alpha_at(self, epoch: int, epochs: int) -> float:
        """Give α in an epoch, counted from 0, of a search of so many."""
        if epoch < self.warmup:
            return 0.0
        if self.decay_from is None:
            return self.alpha
        return self.alpha * min(1.0, (epochs - epoch) / (epochs - self.decay_from))


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How the controller learns (REINFORCE).

    Attributes:
        steps: Steps of the controller in an epoch.
        samples: Architectures drawn in each.
        hidden: Units of its LSTM.
        temperature: Divides its logits.
        tanh_constant: Bounds its logits.
        learning_rate: Of Adam.
        entropy: Weight of the entropy in the objective.
        baseline_decay: Of the moving average of rewards that is subtracted.
    """

    steps: int
    samples: int
    hidden: int
    temperature: float
    tanh_constant: float
    learning_rate: float
    entropy: float
    baseline_decay: float


@dataclass(frozen=True, kw_only=True)
class Population:
    """How the population of NAO is scored and renewed.

    Attributes:
        population: Architectures that are trained in an epoch; all of a space that has fewer.
        samples: Rewards of which the score of a member is the mean.
        top: Best members that are improved.
        new: Most members that are replaced in an epoch.
        largest_step: Improving tries steps of the sizes 1, 2, …, up to this one.
        hidden: Units of the layers of encoder, predictor and decoder.
        steps: Of Adam, in an epoch.
        batch: Members in each of them.
        drawn: Sequences without scores in each, drawn evenly for the decoder.
        learning_rate: Of Adam.
        tradeoff: λ, the weight of the predictor in the loss; that of the decoder is 1 − λ.
    """

    population: int
    samples: int
    top: int
    new: int
    largest_step: int
    hidden: int
    steps: int
    batch: int
    drawn: int
    learning_rate: float
    tradeoff: float

    def __post_init__(self) -> None:
        """Check what one value asks of another.

        Raises:
            ValueError: If no member would be kept.
        """
        if not self.new < self.population:
            raise ValueError(f"new must be less than population, {self.population}; got {self.new}")


STRATEGIES = {"enas": Policy, "nao": Population}
"""What the methods that learn are told."""
