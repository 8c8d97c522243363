"""Adam for stacked weights."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim.adam import adam


class Adam:
    """The state of torch's functional Adam, over leaves that it makes require a gradient.

    Of its implementations, ``foreach`` gives a run the same bits whichever runs it is stacked with;
    ``fused`` does not. The first ``torch.optim.Adam`` of a process imports the compiler, which
    takes as long as the training of the small models here; the functional form does not.
    """

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

    @torch.no_grad()
    def step(self) -> None:
        """Move the weights along their gradients."""
        adam(
            self._parameters,
            [p.grad for p in self._parameters if p.grad is not None],
            self._means,
            self._squares,
            [],
            self._steps,
            foreach=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            eps=1e-8,
            maximize=False,
            lr=self._learning_rate,
            weight_decay=self._weight_decay,
        )
