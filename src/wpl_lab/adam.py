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
    """Take a step of Adam; updates weights, moments and step counters.

    This is torch's functional form: the first ``torch.optim.Adam`` of a process imports the
    compiler, which takes as long as training the small models here. The implementation ``foreach``
    gives a run the same bits whichever runs it is stacked with; ``fused`` does not.

    Args:
        weights: Tensors of any shapes; changed in place, as are moments and counters.
        gradients: For each weight, in its shape.
        means: First moments, in the shapes of the weights.
        squares: Second moments, in the shapes of the weights.
        steps: Step counters, a scalar tensor for each weight.
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
    """Adam and its state, for leaf tensors, which it makes require a gradient."""

    def __init__(
        self, parameters: Iterable[Tensor], learning_rate: float, weight_decay: float
    ) -> None:
        """Start from zero moments.

        Args:
            parameters: The weights to train, of any shapes; changed in place.
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
        """Reset the gradients."""
        for p in self._parameters:
            p.grad = None

    def step(self) -> None:
        """Take a step along the gradients."""
        adam_step_(
            self._parameters,
            [p.grad for p in self._parameters if p.grad is not None],
            self._means,
            self._squares,
            self._steps,
            learning_rate=self._learning_rate,
            weight_decay=self._weight_decay,
        )
