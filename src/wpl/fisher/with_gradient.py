"""The gradient of a batch's loss and the Fisher information, from one pass."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from wpl.fisher.accumulation.gradients import Gradients
from wpl.fisher.accumulation.squares import Squares
from wpl.fisher.batches import Loss
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
    gradients, squares = Gradients(wanted), Squares(wanted)
    estimator = Estimator(model, wanted, estimand, loss=loss, generator=generator)
    with prepared(model, wanted):
        batch = estimator.forward(inputs if targets is None else (inputs, targets))
        if batch is None:
            raise ValueError("the batch holds no samples")
        scale = batch.samples.size**-0.5
        labelled = estimator.scores(batch, scale=scale, empirical=True)
        if labelled.samples == 0:
            raise ValueError("the batch holds no targets that count")
        if kind == "empirical":
            batch.send_back(labelled, gradients, squares)
        else:
            batch.send_back(labelled, gradients, keep=True)
            batch.send_back(estimator.scores(batch, scale=scale), squares)
        squares.end_batch()
    found = squares.means(batch.samples.size / labelled.samples, floor)
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
    each = gradients.times(mean)
    gradient = {name: each[used] for name, used in names.items()}
    return GradientAndFisher(labelled.loss() * mean, gradient, fisher)
