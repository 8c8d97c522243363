"""All samples at once under ``torch.vmap``, each as a batch of one."""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from wpl.fisher.accumulation.precision import full_precision
from wpl.fisher.batches import map_tensors, tensors_in
from wpl.fisher.engines.custom import called_by
from wpl.fisher.engines.intercept import Intercept
from wpl.fisher.engines.recording import Job, Recording, Rows
from wpl.fisher.forward import outputs_of


class Vmapped(Recording):
    """A forward pass under ``Intercept``; the backward pass is by autograd."""

    def __init__(
        self, job: Job, rows: Rows, call: Callable[[Any], Any], inputs: Any, **settings: Any
    ) -> None:
        """Call a model with some samples.

        Args:
            job: What to compute.
            rows: Which samples.
            call: The model, from inputs to logits.
            inputs: The whole batch.
            **settings: Arguments of ``Intercept``.

        Raises:
            ValueError: If the logits of a sample do not have exactly one row.
            RuntimeError: If ``torch.vmap`` does not support the model, or a use is not intercepted.
        """
        super().__init__(job, rows)
        self._leaves: list[Tensor] = []  # where back-propagation ends
        inputs = map_tensors(inputs, lambda t: t[rows].detach())
        given = tensors_in(inputs)

        def one(*sample: Tensor) -> Tensor:
            values = iter(sample)
            alone = map_tensors(inputs, lambda _: next(values).unsqueeze(0))
            mode = Intercept(self, len(given[0]), **settings)
            self._leaves = mode.leaves
            with mode, called_by(mode.custom):
                logits = outputs_of(call(alone))
            if not isinstance(logits, Tensor) or logits.ndim == 0 or len(logits) != 1:
                raise ValueError(
                    f"expected logits (batch, ...), one row for each sample{_got(logits)}"
                )
            return logits.squeeze(0)

        with (
            torch.enable_grad(),
            torch.autograd.graph.disable_saved_tensors_hooks("a checkpoint runs calls again"),
            warnings.catch_warnings(),
        ):
            warnings.filterwarnings("ignore", "There is a performance drop")  # of a few functions
            self.logits = torch.vmap(one)(*given)
        parameters = list(job.parameters.values())
        nothing = self.logits.new_zeros(()).expand_as(self.logits)
        if not self.logits.requires_grad:
            return
        found = torch.autograd.grad(
            self.logits, parameters, nothing, retain_graph=True, allow_unused=True
        )
        for name, gradient in zip(job.parameters, found, strict=True):
            if gradient is not None:
                raise RuntimeError(f"{name!r} is used in a way that is not seen, as in a script")

    def send_back(
        self, vector: Tensor, *, squares: bool, gradient: bool, keep: bool
    ) -> dict[int, Tensor]:
        """See ``Recording``."""
        stand_ins = [alias for _, alias in self._weights.values() if alias.requires_grad]
        wanted = [*self._leaves, *stand_ins]
        if not wanted or not self.logits.requires_grad:
            return {}
        self.listening = squares
        with full_precision(vector.device.type):
            found = torch.autograd.grad(
                self.logits, wanted, vector, retain_graph=keep, allow_unused=True
            )
        self.listening = False
        if not keep:
            self.logits = self.logits.detach()  # breaks a reference cycle through the graph's hooks
        self.end_pass()
        return self.gradients(found[len(self._leaves) :]) if gradient else {}


def _got(logits: object) -> str:
    shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
    return f"; got {shape} for a batch of one"
