"""Steps of all estimates: a batch is read, the model is called with it, and scores go back."""

import warnings
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from wpl.fisher.batches import Loss, Samples, read, tensors_in
from wpl.fisher.engines.alone import RANDOM, Alone
from wpl.fisher.engines.chain import Chain
from wpl.fisher.engines.intercept import SplitError
from wpl.fisher.engines.recording import Gradients, Job, Recording, add_to
from wpl.fisher.engines.vmapped import Vmapped
from wpl.fisher.first_batch import (
    check_outputs,
    check_samples_come_first,
    labels_are_ahead,
    shifted,
)
from wpl.fisher.scores import Estimand, Scores


class Estimator:
    """Calls a model with the batches of one estimate, and checks the first one closely.

    The model is in eval mode when batches are read; ``loss`` and ``generator`` are those of
    ``diagonal_fisher``.
    """

    def __init__(
        self,
        model: nn.Module,
        job: Job,
        estimand: Estimand,
        *,
        loss: Loss | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        self._model, self._job, self._estimand = model, job, estimand
        self._loss, self._generator = loss, generator
        self._ahead: bool | None = None  # whether labels are one position ahead, once known
        self._seen = False  # whether the first outputs were checked

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
            batch = Batch(self._job, self._model, samples)
        except Exception as error:
            reason = _explained(error, samples)
            if reason is error:
                raise
            raise reason from error
        if batch.alone is not None:
            warnings.warn(
                "samples are differentiated one at a time, with a forward and a backward pass for "
                f"each: {batch.alone}",
                stacklevel=3,
            )
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
    """

    def __init__(self, job: Job, model: nn.Module, samples: Samples) -> None:
        self._job, self.samples = job, samples
        self.alone: str | None = None  # why samples are called one by one
        self.parts: list[Recording] = []
        chain = Chain.of(job, model, samples.inputs) if samples.call is model else None
        if chain is not None:
            self.parts = [chain]
        else:
            self._call(torch.arange(samples.size))
        self.logits = self._together([part.logits.detach() for part in self.parts])

    def _call(self, rows: Tensor, **settings: Any) -> None:
        call, inputs = self.samples.call, self.samples.inputs
        every = len(rows) == self.samples.size
        try:
            some = slice(None) if every else rows
            self.parts.append(Vmapped(self._job, some, call, inputs, **settings))
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
            self.parts += [Alone(self._job, int(row), call, inputs) for row in rows]

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
        uses = dict.fromkeys(way for part in self.parts for way in part.ways[id(parameter)])
        return "; ".join(uses) or "no use"

    def send_back(self, scores: Scores, *, squares: bool, gradient: bool, keep: bool) -> Gradients:
        """Back-propagate the scores through each part; arguments as those of ``Recording``.

        Returns:
            The sums of the gradients, if asked for.
        """
        total: Gradients = {}
        self._job.squares.begin_batch(self.samples.size, len(scores))
        for part in self.parts:
            vectors = scores.rows(part.rows) if len(self.parts) > 1 else scores
            for j, vector in enumerate(vectors):
                more = keep or j < len(scores) - 1
                found = part.send_back(vector, squares=squares, gradient=gradient, keep=more)
                for key, g in found.items():
                    add_to(total, key, g)
        return total


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
