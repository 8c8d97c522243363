"""Settings of a search: how shared weights are trained and protected."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Gt, MinLen

from wpl.kinds import Kind
from wpl_lab.constraints import Count, CountOrZero, Factor, NonNegative, Positive, Seed, Several

Seeds = Annotated[tuple[Seed, ...], MinLen(1)]


@dataclass(frozen=True, kw_only=True)
class SharedTraining:
    """How the shared weights are trained."""

    epochs: Several
    """Number of epochs, at least two: outcomes are means over the second half of them."""
    children: Count
    """Children trained in turn in an epoch."""
    batches: Count
    """Training batches of each child."""
    learning_rate: Positive
    """Learning rate of gradient descent."""
    decay: Factor
    """Factor on the learning rate in each epoch after decay_from."""
    decay_from: Count
    """Number of epochs with the full learning rate."""
    gradient_norm: Positive
    """Gradient-clipping norm."""
    weight_decay: NonNegative
    """λ of the loss term λ/2 ‖θ‖²."""
    explosion: Annotated[float, Gt(1)]
    """Training has diverged if the cross-entropy exceeds this multiple of that of a uniform
    prediction; a search is then rolled back by one epoch, once."""
    candidates: Count
    """Architectures drawn at the end; the one with the best shared-weight score is the result."""

    def learning_rate_at(self, epoch: int) -> float:
        """Compute the learning rate of an epoch (from 0)."""
        return self.learning_rate * self.decay ** max(0, epoch + 1 - self.decay_from)


@dataclass(frozen=True, kw_only=True)
class Training(SharedTraining):
    """How the shared weights are trained, and how often all architectures are scored."""

    exhaustive: Count
    """In spaces of at most this size, all architectures are scored with the shared weights, to
    evaluate the ranking."""
    ranked_every: Count
    """Epochs between two such rankings; there is always one after the last epoch."""


@dataclass(frozen=True, kw_only=True)
class Remedies:
    """Numbers of the arms that change the training or the penalty step."""

    slow: Factor
    """In the arms slow and slow_wpl, the factor on the learning rate after the warm-up."""
    replay: Count
    """In the arms replay and replay_wpl, the number of latest children to replay: every second
    batch trains one of them in place of the newest child."""
    together: Count
    """In the arms fair and fair_wpl, the number of children that are trained together, with steps
    on their mean loss."""
    largest_pull: Positive
    """In the arm wpl_gradient, the norm to which the gradient of the penalty is clipped."""


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Further strengths of some arms, by uniform sampling of the small space."""

    wpl: tuple[NonNegative, ...]
    """Strengths α of the arm wpl."""
    l2: tuple[NonNegative, ...]
    """Strengths α of the arm l2."""
    slow: tuple[Factor, ...]
    """Factors on the learning rate of the arm slow."""


@dataclass(frozen=True, kw_only=True)
class ArmTraining(SharedTraining):
    """How an arm trains the shared weights."""

    exhaustive: CountOrZero = 0
    """As in ``Training``, like ``ranked_every``."""
    ranked_every: Count = 1
    """See there."""
    sampled: CountOrZero = 0
    """As in ``published.plan.SampledTraining``; 0: rankings are of whole spaces."""

    slow: Factor = 1.0
    """Factor on the learning rate from epoch ``slow_from`` on."""
    slow_from: CountOrZero = 0
    """First epoch with that factor."""
    replay: CountOrZero = 0
    """Number of latest children to replay, one on every second batch."""
    together: Count = 1
    """Number of children that are trained together, with steps on their mean loss."""

    def __post_init__(self) -> None:
        """Check that the children of an epoch divide into turns.

        Raises:
            ValueError: If some would be left over.
        """
        if self.children % self.together:
            raise ValueError(
                f"children: {self.children} cannot be trained {self.together} at a time"
            )

    @property
    def turns(self) -> int:
        """Number of turns in an epoch."""
        return self.children // self.together

    @property
    def steps(self) -> int:
        """Number of steps of gradient descent in an epoch."""
        return self.turns * self.batches

    def ranks(self, size: int, epoch: int) -> bool:
        """Tell whether architectures are ranked after an epoch, counted from 0."""
        done = epoch + 1
        if self.sampled:
            return done == self.epochs or done.bit_count() == 1
        return size <= self.exhaustive and (self.epochs - done) % self.ranked_every == 0

    def learning_rate_at(self, epoch: int) -> float:
        """Compute the learning rate of an epoch (from 0)."""
        factor = self.slow if epoch >= self.slow_from else 1.0
        return factor * super().learning_rate_at(epoch)


@dataclass(frozen=True, kw_only=True)
class PlasticitySettings:
    """How the weights of earlier children are protected."""

    alpha: NonNegative
    """Strength α of the weight plasticity loss and of the uniform anchor."""
    warmup: CountOrZero
    """Number of warm-up epochs without a penalty."""
    decay_from: CountOrZero | None
    """In the arm wpl_decay, α decays linearly from this epoch to 0 at the end; null: never."""
    rate: Factor
    """η, the weight of the newest child in the running average of the Fisher information."""
    largest_norm: Positive
    """Norm to which each tensor of the running Fisher information is clipped."""
    kind: Kind
    """Kind of the Fisher information, by its labels: empirical, mc, exact or sketch."""
    protect: tuple[str, ...]
    """Groups of shared weights that are protected, by the first part of their names."""


@dataclass(frozen=True, kw_only=True)
class Plasticity(PlasticitySettings):
    """How an arm protects the weights of earlier children."""

    largest_pull: Positive | None = None
    """None: the penalty is applied by its proximal step; else its gradient is clipped to this norm
    and added to that of the loss, as in the paper."""

    def alpha_at(self, epoch: int, epochs: int) -> float:
        """Compute α in an epoch (from 0) of a search with this number of epochs."""
        if epoch < self.warmup:
            return 0.0
        if self.decay_from is None:
            return self.alpha
        return self.alpha * min(1.0, (epochs - epoch) / (epochs - self.decay_from))


def check_searches(
    *,
    seeds: Seeds,
    other_seeds: Seeds,
    training: SharedTraining,
    plasticity: PlasticitySettings,
    remedies: Remedies,
    prefix: str = "",
) -> None:
    """Check settings of the searches of a task against each other.

    Args:
        seeds: Root seeds.
        other_seeds: Those of some of the searches.
        training: How the shared weights are trained.
        plasticity: How they are protected.
        remedies: Numbers of the other arms.
        prefix: What the keys begin with in messages.

    Raises:
        ValueError: If they contradict each other; names the key.
    """
    if unknown := {*other_seeds} - {*seeds}:
        raise ValueError(f"{prefix}other_seeds: {min(unknown)} is not one of seeds, {[*seeds]}")
    if training.children % remedies.together:
        raise ValueError(
            f"{prefix}training.children: {training.children} is not a multiple of "
            f"remedies.together, {remedies.together}"
        )
    for name in ("warmup", "decay_from"):
        if (epoch := getattr(plasticity, name) or 0) >= training.epochs:
            raise ValueError(
                f"{prefix}plasticity.{name}: {epoch} is not less than training.epochs, "
                f"{training.epochs}"
            )
