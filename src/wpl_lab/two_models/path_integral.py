"""What each weight contributes to the fall of the loss while a model is trained."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor


class PathIntegral:
    """The path integral of synaptic intelligence, −Σ_t g_t · (θ_{t+1} − θ_t), weight by weight.

    Summed over weights it is, to first order, by how much the loss has fallen. The gradients are
    those of the batches, as in the paper. Source: Zenke, Poole, Ganguli, "Continual Learning
    Through Synaptic Intelligence" (2017), equations 3 to 5.
    """

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        """Start at the weights as they are now.

        Args:
            parameters: By name, the weights that an optimiser moves in place.
        """
        self._parameters = dict(parameters)
        self._start = [p.detach().clone() for p in parameters.values()]
        self._fall = [torch.zeros_like(p) for p in self._start]

    @contextmanager
    def step(self) -> Iterator[None]:
        """Follow one step of the optimiser, taken inside, along the gradients that are there."""
        current = [p.detach() for p in self._parameters.values()]
        before = [p.clone() for p in current]
        yield
        gradients = [p.grad for p in self._parameters.values() if p.grad is not None]
        moved = torch._foreach_sub(current, before)
        torch._foreach_addcmul_(self._fall, gradients, list(moved), value=-1)

    def state(self) -> dict[str, Tensor]:
        """Give what is known of each weight so far.

        Returns:
            For each name, copies: ``fall.…``, the integral; ``moved.…``, how far it is from its
            start.
        """
        now = zip(self._parameters.items(), self._start, self._fall, strict=True)
        state = {}
        for (name, p), start, fall in now:
            state[f"fall.{name}"] = fall.clone()
            state[f"moved.{name}"] = p.detach() - start
        return state
