"""One batch: the recorded forward passes of its samples, and back-propagation through them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from wpl.fisher.batches import count, tensors_in
from wpl.fisher.engines.alone import RANDOM, Alone
from wpl.fisher.engines.chain import Chain
from wpl.fisher.engines.decisions import DisagreementError
from wpl.fisher.engines.intercept import TooLargeError
from wpl.fisher.engines.recording import Job, Recording
from wpl.fisher.engines.vmapped import Vmapped
from wpl.fisher.scores import Scores

Call = Callable[[Any], Any]
Gradients = dict[int, Tensor]  # of parameters, by id


class Batch:
    """The recorded forward passes of all samples of a batch: of all at once, or of parts of it."""

    def __init__(self, job: Job, model: nn.Module, call: Call, inputs: Any) -> None:
        """Call a model in eval mode.

        A plain chain of layers is called layer by layer. Otherwise all samples are called at once
        under ``torch.vmap``; in parts, if they take different branches or too much memory; one by
        one, if ``torch.vmap`` does not support the model.

        Args:
            job: What to compute; only the wanted parameters require a gradient.
            model: The model.
            call: Calls it, from inputs to logits ``(batch, ...)``.
            inputs: Tensors with one row for each sample.
        """
        self._job = job
        self.samples = count(inputs)
        self.alone: str | None = None  # why samples are called one by one
        self.parts: list[Recording] = []
        chain = Chain.of(job, model, inputs) if call is model else None
        if chain is not None:
            self.parts = [chain]
        else:
            self._call(call, inputs, torch.arange(self.samples))
        self.logits = self._together([part.logits.detach() for part in self.parts])

    def _call(self, call: Call, inputs: Any, rows: Tensor, **settings: Any) -> None:
        part = slice(None) if len(rows) == self.samples else rows.to(tensors_in(inputs)[0].device)
        try:
            self.parts.append(Vmapped(self._job, part, call, inputs, **settings))
        except DisagreementError as disagreement:
            for group in disagreement.groups:
                self._call(call, inputs, rows[group], **settings)
        except TooLargeError:
            for half in rows.tensor_split(2):
                self._call(call, inputs, half, **settings)
        except (torch.OutOfMemoryError, ValueError):
            raise
        except Exception as error:
            if "randomness" in str(error):
                raise ValueError(RANDOM) from error
            if _writes_samples(error) and not settings:
                self._call(call, inputs, rows, batch_factories=True)
                return
            self.alone = f"{type(error).__name__}: {error}".partition("\n")[0][:200]
            self.parts += [Alone(self._job, int(row), call, inputs) for row in rows]

    def _together(self, parts: list[Tensor]) -> Tensor:
        """Concatenate the rows of the parts in the order of the batch."""
        if len(parts) == 1:
            return parts[0]
        every = torch.arange(self.samples, device=parts[0].device)
        order = torch.cat([every[part.rows] for part in self.parts])
        return torch.cat(parts)[order.argsort()]

    def ways(self, parameter: Tensor) -> str:
        """Explain how the gradients of a parameter are computed; see ``explain``."""
        if self.alone is not None:
            return f"one sample at a time: {self.alone}"
        uses = dict.fromkeys(way for part in self.parts for way in part.ways[id(parameter)])
        return "; ".join(uses) or "no use"

    def send_back(self, scores: Scores, *, squares: bool, gradient: bool, keep: bool) -> Gradients:
        """Back-propagate the scores through each part.

        Args:
            scores: Vectors for all samples, in the shape of the outputs.
            squares: Whether to accumulate the squares.
            gradient: Whether to return the gradients.
            keep: Whether more scores follow.

        Returns:
            The sums of the gradients by id of the parameter, in its shape, if asked for.
        """
        total: Gradients = {}
        self._job.squares.begin_batch(len(scores))
        for part in self.parts:
            vectors = scores.rows(part.rows) if len(self.parts) > 1 else scores
            for j, vector in enumerate(vectors):
                more = keep or j < len(scores) - 1
                found = part.send_back(vector, squares=squares, gradient=gradient, keep=more)
                for key, g in found.items():
                    total[key] = total[key] + g if key in total else g
        return total


def _writes_samples(error: Exception) -> bool:
    """Tell whether a model wrote samples into a tensor that has no copy for each sample."""
    return "not possible because there exists a Tensor" in str(error)
