"""One step of Adam (Kingma and Ba, 2015), on tensors that the caller keeps."""

from collections.abc import Sequence

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
