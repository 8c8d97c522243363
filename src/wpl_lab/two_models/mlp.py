"""Multi-layer perceptrons side by side: weights are stacked along a first dimension, ``run``.

Activations are columns, ``(run, unit, sample)``, so that the gradient of a weight is a product of
two matrices without a transposition in memory. The results of a run are bit-identical whichever
runs it is stacked with, which ``torch.func.vmap`` does not guarantee.
"""

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

Parameters = dict[str, Tensor]

# Runs scored together: 1.8 times as fast on digits as one by one; more are no faster.
_SCORED_AT_ONCE = 16


def layer_names(layers: int) -> list[str]:
    """List the parameter names of the first layers, as in ``module``."""
    return [f"layer{i}.{part}" for i in range(1, layers + 1) for part in ("weight", "bias")]


def init(widths: Sequence[int], generators: Sequence[torch.Generator]) -> Parameters:
    """Draw initial weights, uniform in ±1/√fan-in as ``nn.Linear`` does, one run per generator.

    Args:
        widths: Units of the input, of each hidden layer, and of the output.
        generators: For each run, the source of the weights.

    Returns:
        By name, weights ``(run, out, in)`` and biases ``(run, out)``.
    """
    shapes: list[tuple[int, ...]] = []
    for fan_in, fan_out in pairwise(widths):
        shapes += [(fan_out, fan_in), (fan_out,)]
    runs: list[list[Tensor]] = []
    for g in generators:
        bounds = [1 / math.sqrt(fan_in) for fan_in in widths[:-1] for _ in ("weight", "bias")]
        runs.append(
            [
                torch.empty(shape).uniform_(-bound, bound, generator=g)
                for shape, bound in zip(shapes, bounds, strict=True)
            ]
        )
    names = layer_names(len(widths) - 1)
    return {name: torch.stack(p) for name, p in zip(names, zip(*runs, strict=True), strict=True)}


def forward(parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
    """Compute logits.

    Args:
        parameters: By name, weights ``(run, out, in)`` and biases ``(run, out)``.
        inputs: ``(group, feature, sample)``; the number of runs is a multiple of that of groups,
            and run r reads group r modulo the number of groups.

    Returns:
        Logits ``(run, class, sample)``.
    """
    layers = len(parameters) // 2
    h = _first_layer(parameters["layer1.weight"], parameters["layer1.bias"], inputs)
    for i in range(2, layers + 1):
        bias = parameters[f"layer{i}.bias"].unsqueeze(2)  # (run, out, 1)
        h = torch.baddbmm(bias, parameters[f"layer{i}.weight"], h.relu())  # (run, out, sample)
    return h


def _first_layer(weight: Tensor, bias: Tensor, inputs: Tensor) -> Tensor:
    """Multiply all runs of a group with its inputs at once: saves a third of a step."""
    runs, out, features = weight.shape
    groups = len(inputs)
    apart = (runs // groups, groups, out)
    rows = weight.unflatten(0, apart[:2]).transpose(0, 1).reshape(groups, -1, features)
    offset = bias.unflatten(0, apart[:2]).transpose(0, 1).reshape(groups, -1, 1)
    h = torch.baddbmm(offset, rows, inputs)  # (group, run of group · out, sample)
    return h.view(groups, apart[0], out, -1).transpose(0, 1).reshape(runs, out, -1)


@torch.no_grad()
def accuracy(parameters: Mapping[str, Tensor], inputs: Tensor, labels: Tensor) -> Tensor:
    """Compute the accuracy of every run on the same data, a few runs at a time to save memory.

    Args:
        parameters: As in ``forward``.
        inputs: ``(sample, feature)``.
        labels: ``(sample)``.

    Returns:
        Accuracies ``(run)`` in [0, 1], float64.
    """
    columns = inputs.T.unsqueeze(0)  # (1, feature, sample)
    scores = []
    for some in zip(*(p.split(_SCORED_AT_ONCE) for p in parameters.values()), strict=True):
        theta = dict(zip(parameters, some, strict=True))
        logits = forward(theta, columns)
        scores.append((logits.argmax(1) == labels).double().mean(1))
    return torch.cat(scores)


def check_finite(parameters: Mapping[str, Tensor], runs: Sequence[str]) -> None:
    """Raise an error if training has diverged.

    Args:
        parameters: As in ``forward``.
        runs: Names of the runs.

    Raises:
        FloatingPointError: If a weight is NaN or infinite; names the run and the weight.
    """
    for name, p in parameters.items():
        finite = p.detach().flatten(1).isfinite().all(1)
        if not finite.all():
            run = runs[int((~finite).nonzero()[0])]
            raise FloatingPointError(f"{run}: {name} is not finite; try a lower learning_rate")


def module(parameters: Mapping[str, Tensor]) -> nn.Sequential:
    """Make a module with the weights of one run.

    Args:
        parameters: By name, weights ``(out, in)`` and biases ``(out)``.

    Returns:
        A module from inputs ``(batch, feature)`` to logits ``(batch, class)``.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    depth = len(parameters) // 2
    for i in range(1, depth + 1):
        out, fan_in = parameters[f"layer{i}.weight"].shape
        layers[f"layer{i}"] = nn.utils.skip_init(nn.Linear, fan_in, out)
        if i < depth:
            layers[f"relu{i}"] = nn.ReLU()
    model = nn.Sequential(layers)
    model.load_state_dict(dict(parameters))
    return model
