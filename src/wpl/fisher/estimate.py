"""Diagonal Fisher information: the mean over samples of the squared per-sample gradient.

For a sample n with input x and label y, the score is g_n = ∂ log p(y | x, θ)/∂θ, one gradient per
*sample*, and F = mean_n g_n², element-wise. The square of the mean gradient of a batch is another
quantity, smaller by about the batch size; it is not computed here.
"""

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from wpl.fisher.accumulation.squares import Accumulation, Squares
from wpl.fisher.batches import Loss, Samples, each, progress_bar, read, tensors_in
from wpl.fisher.engines.alone import RANDOM, Alone
from wpl.fisher.engines.chain import Chain, links_of
from wpl.fisher.engines.intercept import SplitError
from wpl.fisher.engines.recording import Recording
from wpl.fisher.engines.vmapped import Vmapped
from wpl.fisher.first_batch import (
    check_outputs,
    check_samples_come_first,
    labels_are_ahead,
    shifted,
)
from wpl.fisher.information import Fisher, fingerprint
from wpl.fisher.interruption import Interrupted, noted_ctrl_c
from wpl.fisher.preparation import prepared, select
from wpl.fisher.scores import Estimand, Scores
from wpl.kinds import Kind, LikelihoodName, Unit


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
    estimator = Estimator(model, wanted, estimand, loss=loss, generator=generator)
    bar = progress_bar(batches, show=progress)
    samples = unit = 0
    with prepared(model, wanted), noted_ctrl_c() as pressed:
        for given in each(batches, bar):
            batch = estimator.forward(given)
            if batch is None:
                continue
            unit = unit or batch.samples.size  # one batch then needs no division
            scores = estimator.scores(batch, scale=unit**-0.5, bar=bar)
            batch.send_back(scores, squares)
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


class Estimator:
    """Calls a model with the batches of one estimate, and checks the first one closely.

    The model is in eval mode when batches are read; ``loss`` and ``generator`` are those of
    ``diagonal_fisher``.
    """

    def __init__(
        self,
        model: nn.Module,
        parameters: Mapping[str, Tensor],
        estimand: Estimand,
        *,
        loss: Loss | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        self._model, self._parameters, self._estimand = model, parameters, estimand
        self._loss, self._generator = loss, generator
        self._links = links_of(model)
        self._ahead: bool | None = None  # whether labels are one position ahead, once known
        self._seen = False  # whether the first outputs were checked
        self._warned = False  # of what is slow

    def forward(self, given: Any) -> "Batch | None":
        """Read a batch, and call the model with it.

        Returns:
            The recorded batch; None if it holds no samples.

        Raises:
            ValueError: If the model cannot be called with the batch; says how it was called.
        """
        samples = self._read(given)
        if samples.size == 0:
            return None
        try:
            links = self._links if samples.call is self._model else None
            batch = Batch(self._parameters, samples, links)
        except Exception as error:
            reason = _explained(error, samples)
            if reason is error:
                raise
            raise reason from error
        if batch.slow is not None and not self._warned:
            warnings.warn(batch.slow, stacklevel=3)
            self._warned = True
        return batch

    def _read(self, given: Any) -> Samples:
        """Split a batch into inputs and targets, at the positions of the outputs."""
        samples = read(self._model, given, self._loss)
        if samples.size == 0:
            return samples
        ignore = self._estimand.ignore_index
        if self._ahead is None:
            self._ahead = self._loss is None and labels_are_ahead(self._model, given, ignore)
            check_samples_come_first(self._model, samples)
        if self._ahead and samples.targets is not None:
            return samples._replace(targets=shifted(samples.targets, ignore))
        return samples

    def scores(
        self, batch: "Batch", *, scale: float, empirical: bool = False, bar: tqdm | None = None
    ) -> Scores:
        """Make the vectors to back-propagate from the outputs.

        Args:
            batch: As returned by ``forward``.
            scale: Factor on all vectors.
            empirical: Whether to use the given labels, whatever the kind.
            bar: Is moved by each vector's share of the batch.

        Returns:
            The vectors.

        Raises:
            ValueError: If outputs and targets are on different devices.
        """
        targets = batch.samples.targets
        if targets is not None and targets.device != batch.logits.device:
            raise ValueError(
                f"the targets are on {targets.device}, the model's outputs on {batch.logits.device}"
            )
        if not self._seen:
            check_outputs(batch.logits, batch.samples, self._estimand.likelihood)
            self._seen = True
        estimand = self._estimand._replace(kind="empirical") if empirical else self._estimand
        return Scores(
            estimand,
            batch.logits,
            batch.samples.targets,
            generator=self._generator,
            scale=scale,
            progress=None if bar is None else bar.update,
        )


class Batch:
    """The recorded forward passes of all samples of a batch: of all at once, or of parts of it.

    A plain chain of layers is called layer by layer. Otherwise all samples are called at once under
    ``torch.vmap``; in parts, if they take different branches or too much memory; one by one, if
    ``torch.vmap`` does not support the model.

    Args:
        parameters: The wanted ones, by name.
        samples: The batch, as read.
        links: The layers of a plain chain, if the model is one.
    """

    def __init__(
        self,
        parameters: Mapping[str, Tensor],
        samples: Samples,
        links: list[nn.Module] | None,
    ) -> None:
        self._parameters, self.samples = parameters, samples
        self.alone: str | None = None  # why samples are called one by one
        self.slow: str | None = None  # what takes much longer than it could, and why
        self.parts: list[Recording] = []
        chain = None if links is None else Chain.of(parameters, links, samples.inputs)
        if chain is not None:
            self.parts = [chain]
        else:
            self._call(torch.arange(samples.size))
        self.logits = self._together([part.logits.detach() for part in self.parts])

    def _call(self, rows: Tensor, **settings: Any) -> None:
        call, inputs = self.samples.call, self.samples.inputs
        every = len(rows) == self.samples.size
        try:
            part = Vmapped(
                self._parameters, slice(None) if every else rows, call, inputs, **settings
            )
            self.parts.append(part)
            if part.custom:
                self.slow = (
                    f"{' and '.join(part.custom)} is called for each sample separately, as it has "
                    "no rule for torch.vmap (if possible, give it generate_vmap_rule = True)"
                )
        except SplitError as split:
            for group in split.groups:
                self._call(rows[group], **settings)
        except (torch.OutOfMemoryError, ValueError):
            raise
        except Exception as error:
            if "randomness" in str(error):
                raise ValueError(RANDOM) from error
            if "not possible because there exists a Tensor" in str(error) and not settings:
                self._call(rows, batch_factories=True)  # the model writes samples into new tensors
                return
            self.alone = f"{type(error).__name__}: {error}".partition("\n")[0][:200]
            self.slow = (
                "samples are differentiated one at a time, with a forward and a backward pass for "
                f"each: {self.alone}"
            )
            self.parts += [Alone(self._parameters, int(row), call, inputs) for row in rows]

    def _together(self, parts: list[Tensor]) -> Tensor:
        """Concatenate the rows of the parts in the order of the batch."""
        if len(parts) == 1:
            return parts[0]
        every = torch.arange(self.samples.size, device=parts[0].device)
        order = torch.cat([every[part.rows] for part in self.parts])
        return torch.cat(parts)[order.argsort()]

    def ways(self, parameter: Tensor) -> str:
        """Explain how the gradients of a parameter are computed; see ``explain``."""
        if self.alone is not None:
            return f"one sample at a time: {self.alone}"
        uses = dict.fromkeys(way for part in self.parts for way in part.uses.ways[id(parameter)])
        return "; ".join(uses) or "no use"

    def send_back(self, scores: Scores, *into: Accumulation, keep: bool = False) -> None:
        """Back-propagate the scores through each part; arguments as those of ``Recording``."""
        for accumulation in into:
            accumulation.begin_batch(self.samples.size, len(scores))
        for part in self.parts:
            vectors = scores.rows(part.rows) if len(self.parts) > 1 else scores
            for j, vector in enumerate(vectors):
                part.send_back(vector, *into, keep=keep or j < len(scores) - 1)


def _explained(error: Exception, batch: Samples) -> Exception:
    """Explain an error: if the model itself fails with the batch, say how it was called."""
    if isinstance(error, torch.OutOfMemoryError):
        return error
    try:
        with torch.no_grad():
            batch.call(batch.inputs)
    except ValueError:
        return error
    except Exception as reason:
        given = ", ".join(
            f"{str(t.dtype)[6:]} {tuple(t.shape)} on {t.device}" for t in tensors_in(batch.inputs)
        )
        first = (str(reason).strip().splitlines() or [type(reason).__name__])[0]
        return ValueError(f"the model cannot be called with the batch ({given}): {first}")
    return error
