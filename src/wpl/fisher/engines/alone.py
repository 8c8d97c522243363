"""One sample at a time: works for every model, at the cost of a pass for each sample."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from wpl.fisher.accumulation.squares import Accumulation, Dense, Uses, full_precision
from wpl.fisher.batches import map_tensors, outputs_of, tensors_in
from wpl.fisher.engines.recording import Recording
from wpl.fisher.layers.norms import batch_norm_written_out

RANDOM = (
    "the model or the loss draws random numbers in eval mode, so that its gradients are not "
    "deterministic; expected them, like the noise of a diffusion model, in the batch"
)


class Alone(Recording):
    """A forward pass of one sample of a batch, differentiated by autograd.

    Raises:
        ValueError: If the model draws random numbers.
    """

    def __init__(
        self,
        parameters: Mapping[str, Tensor],
        row: int,
        call: Callable[[Any], Any],
        inputs: Any,
    ) -> None:
        rows = slice(row, row + 1)
        self.rows, self.uses = rows, Uses(rows)
        self._parameters = list(parameters.values())
        for parameter in self._parameters:
            self.uses.add(parameter, "one sample at a time")
        before = _random_state(inputs)
        with torch.enable_grad(), _OfOne():
            self.logits = outputs_of(call(map_tensors(inputs, lambda t: t[rows])))
        if not torch.equal(before, _random_state(inputs)):
            raise ValueError(RANDOM)

    def send_back(self, vector: Tensor, *into: Accumulation, keep: bool) -> None:
        """See ``Recording``."""
        self.uses.into = into
        if not self.logits.requires_grad:
            return
        with full_precision(vector.device.type):
            found = torch.autograd.grad(
                self.logits, self._parameters, vector, retain_graph=keep, allow_unused=True
            )
        if not keep:
            self.logits = self.logits.detach()
        for parameter, g in zip(self._parameters, found, strict=True):
            if g is not None:
                self.uses.deliver(parameter, Dense(g.unsqueeze(0)))


class _OfOne(TorchFunctionMode):
    """Replaces batch norm, which torch differentiates wrongly for a batch of one."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a function."""
        func = batch_norm_written_out if func is F.batch_norm else func
        kwargs = kwargs or {}
        if kwargs.get("sparse"):  # a gradient that has the same values, dense
            kwargs = {**kwargs, "sparse": False}
        return func(*args, **kwargs)


def _random_state(inputs: Any) -> Tensor:
    """Get the state of the generator that a model draws from, on the device of its inputs."""
    device = tensors_in(inputs)[0].device
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()
