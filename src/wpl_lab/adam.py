"""Adam (Kingma and Ba, 2015): one functional step, and its state over stacked weights."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.optim.adam import adam


@torch.no_grad()
def adam_step_(
    weights: Sequence[Tensor],
    gradients: Sequence[Tensor],
    means: Sequence[Tensor],
    squares: Sequence[Tensor],
    steps: Sequence[Tensor],
    *,
    learning_rate: float,
    weight_decay: float = 0.0,
) -> None:
    """Move weights along their gradients, and the moments and counters of steps with them.

    This is torch's functional form: the first ``torch.optim.Adam`` of a process imports the
    compiler, which takes as long as the training of the small models here. Of its implementations,
    ``foreach`` gives a run the same bits whichever runs it is stacked with; ``fused`` does not.

    Args:
        weights: Changed in place, as are the moments and the counters.
        gradients: One for each weight.
        means: First moments.
        squares: Second moments.
        steps: Counters, scalars, a tensor of its own for each weight.
        learning_rate: Step size.
        weight_decay: λ of the loss term λ/2 ‖θ‖², added to the gradient.
    """
    adam(
        list(weights),
        list(gradients),
        list(means),
        list(squares),
        [],
        list(steps),
        foreach=True,
        amsgrad=False,
        beta1=0.9,
        beta2=0.999,
        eps=1e-8,
        maximize=False,
        lr=learning_rate,
        weight_decay=weight_decay,
    )


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
