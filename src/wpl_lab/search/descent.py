"""One step of gradient descent on the weights of one architecture."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from wpl_lab.search.protocol import Genotype


class ExplodedError(FloatingPointError):
    """The cross-entropy of a child is not finite, or far above that of guessing."""


def check(genotype: Genotype, cross_entropy: float, limit: float) -> float:
    """Give the cross-entropy back if it is finite and not above a limit.

    Returns:
        The cross-entropy.

    Raises:
        ExplodedError: If it is not; names the genotype.
    """
    if not cross_entropy <= limit:  # NaN is not
        raise ExplodedError(
            f"{genotype}: the cross-entropy is {cross_entropy:g} nats, above {limit:g}"
        )
    return cross_entropy


def step(
    parameters: Mapping[str, Tensor],
    loss: Tensor,
    *,
    learning_rate: float,
    gradient_norm: float,
    weight_decay: float,
) -> None:
    """Move weights along the gradient of loss + λ/2 ‖θ‖².

    Args:
        parameters: By name, the weights that the loss depends on.
        loss: A scalar.
        learning_rate: Step size.
        gradient_norm: Longest gradient of the loss; a longer one is shortened to it.
        weight_decay: λ.
    """
    weights = list(parameters.values())
    for p in weights:
        p.grad = None
    loss.backward()
    nn.utils.clip_grad_norm_(weights, gradient_norm)
    gradients = [p.grad for p in weights if p.grad is not None]
    with torch.no_grad():
        if weight_decay:
            torch._foreach_add_(gradients, weights, alpha=weight_decay)
        torch._foreach_add_(weights, gradients, alpha=-learning_rate)
