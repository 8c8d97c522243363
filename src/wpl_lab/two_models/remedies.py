"""How much each weight of the first model matters, as other remedies than the paper's see it."""

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
    """Estimate the importance of memory aware synapses, mean_n |∂‖f(x_n)‖²/∂θ|, f the logits.

    Source: Aljundi et al., "Memory Aware Synapses" (2018), equation 3 with the squared norm of the
    output, one gradient per sample.

    Args:
        parameters: As in ``estimate_fisher``.
        images: The data.
        seeds: Root seeds; the samples are those of ``estimate_fisher``.
        samples: Number of training images.

    Returns:
        By name, the importance in the shape of the weights.
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
        seeds: Root seeds; the samples are those of ``estimate_fisher``.
        samples: Number of training images.
        shared: How many first layers the two models share.
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


def path_importance(way: Mapping[str, Tensor], *, damping: float) -> mlp.Parameters:
    """Compute the importance of synaptic intelligence: max(0, fall)/(moved² + ξ).

    Source: Zenke, Poole, Ganguli, "Continual Learning Through Synaptic Intelligence" (2017),
    equation 5. Weights that ended where the loss had risen get none, as in the authors' release.

    Args:
        way: As from ``PathIntegral.state``.
        damping: ξ > 0, for weights that have not moved.

    Returns:
        By name, the importance in the shape of the weights.
    """
    names = [name.removeprefix("fall.") for name in way if name.startswith("fall.")]
    return {
        name: way[f"fall.{name}"].clamp(min=0) / (way[f"moved.{name}"].square() + damping)
        for name in names
    }


def scaled(importance: Mapping[str, Tensor], fisher: Mapping[str, Tensor]) -> mlp.Parameters:
    """Scale an importance to the mean of the Fisher information, over all weights of a model.

    Methods define importance up to a factor, which the strength α takes up; so one α is as strong
    on average with each of them, and one grid of strengths suits all.

    Args:
        importance: By name, ``(stop, seed, ...)``.
        fisher: By name, F; only the names that it holds count and are returned.

    Returns:
        By name, the importance in the shapes of F.
    """
    total, wanted = (sum(of[n].flatten(2).sum(2) for n in fisher) for of in (importance, fisher))
    factor = torch.as_tensor(wanted / total)  # (stop, seed)
    return {
        name: importance[name] * factor.reshape(*factor.shape, *[1] * (f.ndim - 2))
        for name, f in fisher.items()
    }
