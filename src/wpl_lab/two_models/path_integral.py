"""The contribution of each weight to the decrease of the loss during training."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor


class PathIntegral:
    """The path integral of synaptic intelligence, −Σ_t g_t · (θ_{t+1} − θ_t), weight by weight.

    Summed over weights, it is the decrease of the loss to first order. The gradients are those of
    the batches, as in the paper. Source: Zenke, Poole, Ganguli, "Continual Learning
    Through Synaptic Intelligence" (2017), equations 3 to 5.
    """

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        """Start at the weights as they are now.

        Args:
            parameters: By name, the weights, of any shapes, that an optimiser changes in place.
        """
        self._parameters = dict(parameters)
        self._start = [p.detach().clone() for p in parameters.values()]
        self._fall = [torch.zeros_like(p) for p in self._start]

    @contextmanager
    def step(self) -> Iterator[None]:
        """Add the contribution of one step of the optimiser, taken inside the block."""
        current = [p.detach() for p in self._parameters.values()]
        before = [p.clone() for p in current]
        yield
        gradients = [p.grad for p in self._parameters.values() if p.grad is not None]
        moved = torch._foreach_sub(current, before)
        torch._foreach_addcmul_(self._fall, gradients, list(moved), value=-1)

    def state(self) -> dict[str, Tensor]:
        """Return the path integral and the distance of each weight so far.

        Returns:
            Copies, in the shapes of the weights: ``fall.NAME``, the integral, and ``moved.NAME``,
            the distance from the initial value.
        """
        now = zip(self._parameters.items(), self._start, self._fall, strict=True)
        state = {}
        for (name, p), start, fall in now:
            state[f"fall.{name}"] = fall.clone()
            state[f"moved.{name}"] = p.detach() - start
        return state
