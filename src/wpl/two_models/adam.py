"""Adam for stacked weights."""

from collections.abc import Iterable

import torch
from torch import Tensor

from wpl.adam import adam_step_


class Adam:
    """The state of Adam, over leaves that it makes require a gradient."""

    def __init__(
        self, parameters: Iterable[Tensor], learning_rate: float, weight_decay: float
    ) -> None:
        """Start from zero moments.

        Args:
            parameters: The weights to train, in place.
            learning_rate: Step size.
            weight_decay: λ of the loss term λ/2 ‖θ‖², added to the gradient.
        """
        self._parameters = [p.requires_grad_() for p in parameters]
        self._means = [torch.zeros_like(p) for p in self._parameters]
        self._squares = [torch.zeros_like(p) for p in self._parameters]
        self._steps = [torch.zeros(()) for _ in self._parameters]
        self._learning_rate = learning_rate
        self._weight_decay = weight_decay

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for p in self._parameters:
            p.grad = None

    def step(self) -> None:
        """Move the weights along their gradients."""
        adam_step_(
            self._parameters,
            [p.grad for p in self._parameters if p.grad is not None],
            self._means,
            self._squares,
            self._steps,
            learning_rate=self._learning_rate,
            weight_decay=self._weight_decay,
        )
