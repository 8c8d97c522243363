"""The gradient of a batch's loss and the Fisher information, from one pass."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from wpl.fisher.accumulation.squares import Contribution, Squares, precise
from wpl.fisher.batches import Loss
from wpl.fisher.engines.recording import Job
from wpl.fisher.estimate import Estimator
from wpl.fisher.information import Fisher, fingerprint
from wpl.fisher.preparation import prepared, select
from wpl.fisher.scores import Estimand
from wpl.kinds import Kind, LikelihoodName, Unit


class GradientAndFisher(NamedTuple):
    """What ``gradient_and_fisher`` returns."""

    loss: Tensor  # a scalar
    gradient: dict[str, Tensor]  # of the loss
    fisher: Fisher


def gradient_and_fisher(
    model: nn.Module,
    inputs: Any,
    targets: Tensor | None = None,
    *,
    kind: Kind = "empirical",
    likelihood: LikelihoodName = "categorical",
    loss: Loss | None = None,
    per: Unit = "sequence",
    parameters: Iterable[str] | None = None,
    generator: torch.Generator | None = None,
    draws: int = 1,
    floor: float = 0.0,
    class_dim: int | None = None,
    ignore_index: int = -100,
) -> GradientAndFisher:
    """Differentiate the loss of a batch and estimate the Fisher information on it, in one pass.

    The loss is the mean over samples of the negative log-likelihood, −log p(y | x, θ), which sums
    over time, or is its mean over time (``per``). As for the Fisher information, the model is put
    into eval mode (dropout off, batch norm with running statistics), so the gradient is that of
    ``cross_entropy(model(inputs), targets)`` in eval mode.

    ``inputs`` may be a dictionary that holds the targets as ``labels``. The targets are used for
    the loss whatever the kind; all but ``"empirical"`` take further backward passes. The other
    arguments are those of ``diagonal_fisher``; ``loss`` is called with ``(inputs, targets)``.

    Returns:
        The loss, a scalar; its gradient and F, by name, in the shapes of the parameters.

    Raises:
        ValueError: As ``diagonal_fisher``.
    """
    estimand = Estimand(kind, likelihood, per, draws, class_dim, ignore_index).checked(loss, floor)
    wanted, names = select(model, parameters)
    both = _GradientsAndSquares(wanted)
    estimator = Estimator(model, Job(wanted, both), estimand, loss=loss, generator=generator)
    both.squares_too = once = kind == "empirical"
    with prepared(model, wanted):
        batch = estimator.forward(inputs if targets is None else (inputs, targets))
        if batch is None:
            raise ValueError("the batch holds no samples")
        scale = batch.samples.size**-0.5
        labelled = estimator.scores(batch, scale=scale, empirical=True)
        if labelled.samples == 0:
            raise ValueError("the batch holds no targets that count")
        batch.send_back(labelled, keep=not once)
        if not once:
            both.gradients_too, both.squares_too = False, True
            batch.send_back(estimator.scores(batch, scale=scale))
        both.end_batch()
    found = both.squares.means(batch.samples.size / labelled.samples, floor)
    mean = 1 / (scale * labelled.samples)
    fisher = Fisher(
        tensors={name: found[used] for name, used in names.items()},
        kind=kind,
        samples=labelled.samples,
        unit=per,
        likelihood=estimand.likelihood,
        floor=floor,
        model=fingerprint(model),
    )
    gradients = {name: both.gradients[id(p)].mul_(mean).to(p.dtype) for name, p in wanted.items()}
    gradient = {name: gradients[used] for name, used in names.items()}
    return GradientAndFisher(labelled.loss() * mean, gradient, fisher)


class _GradientsAndSquares:
    """Accumulates gradients summed over samples, and squares; see ``Accumulation``."""

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        self.gradients = {id(p): precise(torch.zeros_like(p)) for p in parameters.values()}
        self.squares = Squares(parameters)
        self.gradients_too = self.squares_too = True

    def begin_batch(self, samples: int, passes: int) -> None:
        """See ``Accumulation``."""
        self.squares.begin_batch(samples, passes)

    def add_(self, parameter: Tensor, uses: list[Contribution], rows: slice | Tensor) -> None:
        """See ``Accumulation``."""
        if self.gradients_too:
            for use in uses:
                self.gradients[id(parameter)] += use.gradient().view(parameter.shape)
        if self.squares_too:
            self.squares.add_(parameter, uses, rows)

    def end_batch(self) -> None:
        """See ``Accumulation``."""
        self.squares.end_batch()
