"""Train the first model to convergence, and keep copies of it at each stopping accuracy."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from wpl_lab.adam import Adam
from wpl_lab.data.images import Images
from wpl_lab.seeding import generator
from wpl_lab.two_models import mlp
from wpl_lab.two_models.batches import batches
from wpl_lab.two_models.path_integral import PathIntegral
from wpl_lab.two_models.stops import CONVERGED
from wpl_lab.two_models.training_settings import First


def train_first(
    images: Images, settings: First, *, seeds: Sequence[int], width: int
) -> tuple[mlp.Parameters, dict[str, mlp.Parameters], pd.DataFrame]:
    """Train the first model of all seeds side by side.

    Args:
        images: The data; stops are determined on its validation part.
        settings: How to train; a copy of the model is kept at each of its stops.
        seeds: Root seeds, one run each.
        width: Units of each hidden layer.

    Returns:
        The weights, by name, ``(stop, seed, ...)``, the converged model first; the path integral
        ``fall.NAME`` and the distance ``moved.NAME`` of each weight, in the same shapes; and a
        table with one row per stop and seed: iteration, accuracy on validation and on test data.

    Raises:
        ValueError: If a seed does not reach a stopping accuracy.
        FloatingPointError: If training diverges.
    """
    inputs, labels = images.flat("train")
    valid = images.flat("valid")
    stops, iterations = settings.stops, settings.iterations
    widths = [inputs.shape[1], *[width] * (settings.depth - 1), images.classes]
    theta = mlp.init(widths, [generator(seed, "train_first", "init") for seed in seeds])
    adam = Adam(theta.values(), settings.learning_rate, settings.weight_decay)
    path = PathIntegral(theta)

    levels = torch.tensor(stops, dtype=torch.float64).unsqueeze(1)  # (stop, 1)
    reached = torch.full((len(stops), len(seeds)), -1)  # iteration; -1: not yet
    state = {name: p.detach() for name, p in theta.items()} | path.state()
    kept = {name: p.new_zeros(len(stops), *p.shape) for name, p in state.items()}
    stream = batches(
        inputs,
        labels,
        seeds=seeds,
        purpose="train_first",
        batch_size=settings.batch_size,
        iterations=iterations,
    )
    for iteration, (x, y) in enumerate(stream):
        if iteration % settings.check_every == 0 and (reached < 0).any():
            now = (reached < 0) & (mlp.accuracy(theta, *valid) >= levels)  # (stop, seed)
            reached[now] = iteration
            state = {name: p.detach() for name, p in theta.items()} | path.state()
            for name, p in state.items():
                here = now.reshape(*now.shape, *[1] * (p.ndim - 1))
                kept[name] = torch.where(here, p, kept[name])
        loss = F.cross_entropy(mlp.forward(theta, x), y, reduction="sum") / settings.batch_size
        adam.zero_grad()
        loss.backward()
        with path.step():
            adam.step()

    mlp.check_finite(theta, [f"seed {seed}" for seed in seeds])
    if (reached < 0).any():
        stop, run = (reached < 0).nonzero()[0].tolist()
        raise ValueError(
            f"seed {seeds[run]} did not reach a validation accuracy of {stops[stop]} within "
            f"{iterations} iterations; lower first.stops or raise first.iterations"
        )
    state = {name: p.detach() for name, p in theta.items()} | path.state()
    state = {name: torch.cat([p.unsqueeze(0), kept[name]]) for name, p in state.items()}
    ways = {way: {name: state[f"{way}.{name}"] for name in theta} for way in ("fall", "moved")}
    theta = {name: state[name] for name in theta}
    reached = torch.cat([torch.full((1, len(seeds)), iterations), reached])
    runs = {name: p.flatten(0, 1) for name, p in theta.items()}  # (stop · seed, ...)
    table = pd.DataFrame(
        {
            "stop": np.repeat([CONVERGED, *map(str, stops)], len(seeds)),
            "seed": [*seeds] * len(reached),
            "iteration": reached.flatten().numpy(),
            "accuracy_valid": mlp.accuracy(runs, *valid).numpy(),
            "accuracy_test": mlp.accuracy(runs, *images.flat("test")).numpy(),
        }
    )
    return theta, ways, table
