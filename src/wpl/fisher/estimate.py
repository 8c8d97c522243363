"""Diagonal Fisher information: the mean over samples of the squared per-sample gradient.

For a sample n with input x and label y, the score is g_n = ∂ log p(y | x, θ)/∂θ, one gradient per
*sample*, and F = mean_n g_n², element-wise. The square of the mean gradient of a batch is another
quantity, smaller by about the batch size; it is not computed here.
"""

import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
from torch import nn

from wpl.fisher.accumulation.squares import Squares
from wpl.fisher.batches import Loss, each, progress_bar
from wpl.fisher.engines.recording import Job
from wpl.fisher.information import Fisher, fingerprint
from wpl.fisher.passes import Estimator
from wpl.fisher.preparation import prepared, select
from wpl.fisher.scores import Estimand
from wpl.kinds import Kind, LikelihoodName, Unit


class Interrupted(KeyboardInterrupt):
    """Ctrl-C was pressed during an estimate; holds the estimate on the batches so far.

    Attributes:
        fisher: The estimate on these batches; its ``samples`` is their number of samples.
    """

    def __init__(self, fisher: Fisher) -> None:
        super().__init__(f"the estimate was interrupted after {fisher.samples} samples")
        self.fisher = fisher


def diagonal_fisher(
    model: nn.Module,
    batches: Iterable[Any],
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
    progress: bool = False,
) -> Fisher:
    """Estimate the diagonal Fisher information of a model.

    The model is evaluated in eval mode (dropout off, batch norm with running statistics), and its
    mode is restored. For a parameter that is used several times, or under several names, each
    sample's gradient is the sum over its uses. Common layers have closed forms, at about the cost
    of one forward and backward pass; ``wpl.explain`` says how the gradients of each parameter are
    computed.

    Args:
        model: Maps the inputs of a batch to outputs, one row for each sample: a tensor, a tuple
            that starts with one, or an object with ``logits``.
        batches: Pairs ``(inputs, targets)``; tuples ``(x1, x2, ..., targets)``, for ``model(x1,
            x2, ...)``; or dictionaries, for ``model(**batch)``, whose ``labels`` are the targets
            (shifted by one position if the model's own loss does so). The first dimension is that
            of the samples. The result does not depend on how they are split into batches.
        kind: Where the labels of the score come from: ``"empirical"``, the targets given;
            ``"mc"``, draws from the model's prediction at each position; ``"exact"``, the
            expectation over the model's prediction, at the cost of a backward pass for each
            position and class but one; ``"sketch"``, random signs in place of that expectation:
            unbiased for ``"exact"`` at the cost of ``"mc"``, with less variance. For all but the
            first, targets may be None. See Kunstner et al., "Limitations of the empirical Fisher
            approximation" (2019).
        likelihood: What the outputs are. ``"categorical"``: logits ``(batch, class)``, ``(batch,
            time, class)`` or ``(batch, class, height, width)`` of a softmax; integer targets
            without the dimension of the classes. ``"bernoulli"``: logits of independent binary
            labels; targets from 0 to 1 in their shape. ``"gaussian"``: means of normal
            distributions of variance 1; targets in their shape.
        loss: Instead of a likelihood: maps the model's result and the batch to one loss for each
            sample, interpreted as −log p. It is called with one sample at a time, as a batch of
            one, so that a mean over the batch is that sample's loss.
        per: Whether the log-likelihood of a sample is the sum over its positions (``"sequence"``)
            or their mean (``"token"``). The two F differ by the square of the length, and so do the
            α that protect equally.
        parameters: Names of the wanted parameters, as in ``model.named_parameters()``. By default,
            all that require a gradient.
        generator: Source of the draws of ``"mc"`` and ``"sketch"``, taken row by row.
        draws: Number of draws per sample, whose squares are averaged.
        floor: Added to F. Where F is exactly zero, as for dead units, a weight is free whatever
            α.
        class_dim: Dimension of the classes, if the shapes leave it open.
        ignore_index: Target of positions that do not count, whatever the kind; a sample without
            any other position is left out.
        progress: Whether to show a progress bar.

    Returns:
        By name, F in the shape of its parameter, with the facts that it depends on.

    Raises:
        ValueError: If an argument is unknown, if there are no samples, if a batch cannot be read or
            its targets do not fit the outputs, if a batch norm uses the statistics of its batch
            (its samples then depend on each other, and have no gradients of their own) or if F is
            not finite.
        Interrupted: If Ctrl-C is pressed; holds the estimate on the finished batches.
    """
    estimand = Estimand(kind, likelihood, per, draws, class_dim, ignore_index).checked(loss, floor)
    wanted, names = select(model, parameters)
    squares = Squares(wanted)
    job = Job(wanted, squares, with_gradient=False)
    estimator = Estimator(model, job, estimand, loss=loss, generator=generator)
    bar = progress_bar(batches, show=progress)
    samples = unit = 0
    with prepared(model, wanted), _ctrl_c() as pressed:
        for given in each(batches, bar):
            batch = estimator.forward(given)
            if batch is None:
                continue
            unit = unit or batch.samples.size  # one batch then needs no division
            scores = estimator.scores(batch, scale=unit**-0.5, bar=bar)
            batch.send_back(scores, squares=True, gradient=False, keep=False)
            squares.end_batch()
            samples += scores.samples
            if pressed and samples:
                break
    if samples == 0:
        raise ValueError("batches holds no samples")
    found = squares.means(unit / samples, floor)
    fisher = Fisher(
        tensors={name: found[used] for name, used in names.items()},
        kind=kind,
        samples=samples,
        unit=per,
        likelihood=estimand.likelihood,
        floor=floor,
        model=fingerprint(model),
    )
    if pressed:
        raise Interrupted(fisher)
    return fisher


@contextmanager
def _ctrl_c() -> Iterator[list[int]]:
    """Note that Ctrl-C was pressed, instead of stopping; pressed again, it stops at once."""
    pressed: list[int] = []

    def press(number: int, frame: FrameType | None) -> None:
        if pressed:
            signal.default_int_handler(number, frame)
        pressed.append(number)

    before = signal.getsignal(signal.SIGINT)
    main = threading.current_thread() is threading.main_thread()
    if not main or before is not signal.default_int_handler:
        yield pressed
        return
    signal.signal(signal.SIGINT, press)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)
