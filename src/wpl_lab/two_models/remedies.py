"""Importance estimates of other remedies than the paper's."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from wpl.kinds import Curvature
from wpl.omega import exact_omega
from wpl_lab.data.images import Images
from wpl_lab.two_models import mlp
from wpl_lab.two_models.importance import first_models


def estimate_mas(
    parameters: Mapping[str, Tensor],
    images: Images,
    *,
    seeds: Sequence[int],
    samples: int,
) -> mlp.Parameters:
    """Estimate the importance of memory aware synapses, mean_n |∂‖f(x_n)‖²/∂θ|, for logits f.

    Source: Aljundi et al., "Memory Aware Synapses" (2018), equation 3 with the squared norm of the
    output, one gradient per sample.

    Args:
        parameters: As in ``estimate_fisher``.
        images: The data.
        seeds: Root seeds; the samples are the same as in ``estimate_fisher``.
        samples: Number of training images.

    Returns:
        By name, the importance ``(stop, seed, ...)`` in the shapes of the weights.
    """
    importance = {name: torch.empty_like(p) for name, p in parameters.items()}
    for at, model, (inputs, _) in first_models(parameters, images, seeds, samples):

        def output(theta: mlp.Parameters, x: Tensor, model: nn.Module = model) -> Tensor:
            logits: Tensor = functional_call(model, theta, (x,))
            return logits.square().sum()

        theta = {name: p.detach() for name, p in model.named_parameters()}
        for name, slope in vmap(grad(output), in_dims=(None, 0))(theta, inputs).items():
            importance[name][at] = slope.abs().mean(0)  # slope: (sample, ...)
    return importance


def estimate_omega(
    parameters: Mapping[str, Tensor],
    images: Images,
    *,
    seeds: Sequence[int],
    samples: int,
    shared: int,
    curvature: Curvature,
    damping: float,
    precision: float,
) -> mlp.Parameters:
    """Compute the exact quadratic form Ω of the first layers of every first model.

    Args:
        parameters: As in ``estimate_fisher``.
        images: The data.
        seeds: Root seeds; the samples are the same as in ``estimate_fisher``.
        samples: Number of training images.
        shared: Number of shared layers.
        curvature: As in ``wpl.exact_omega``.
        damping: As in ``wpl.exact_omega``.
        precision: As in ``wpl.exact_omega``.

    Returns:
        ``omega``, ``(stop, seed, s, s)`` in single precision, rows in the order of the layers.
    """
    names = mlp.layer_names(shared)
    found = [
        exact_omega(
            model, [data], shared=names, curvature=curvature, damping=damping, precision=precision
        )
        for _, model, data in first_models(parameters, images, seeds, samples)
    ]
    shape = next(iter(parameters.values())).shape[:2]
    return {"omega": torch.stack(found).float().unflatten(0, shape)}
