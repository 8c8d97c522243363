"""Train the second model on weights that it shares with the first, by one arm."""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from wpl.plasticity import WeightPlasticity
from wpl_lab.adam import Adam
from wpl_lab.data.images import Images
from wpl_lab.seeding import generator
from wpl_lab.two_models import mlp
from wpl_lab.two_models.anchors import DenseAnchor, uniform
from wpl_lab.two_models.arms import Arm
from wpl_lab.two_models.batches import batches


def train_second(
    images: Images,
    first: Mapping[str, Tensor],
    importance: Mapping[str, Tensor],
    *,
    arm: Arm,
    alphas: Sequence[float],
    shared: int,
    seeds: Sequence[int],
    stops: Sequence[str],
    depth: int,
    width: int,
    iterations: int,
    batch_size: int,
    learning_rate: float,
    weight_decay: float,
    record_every: int,
    floor: float = 0.0,
    first_images: Images | None = None,
) -> tuple[mlp.Parameters, pd.DataFrame]:
    """Train the second model after every first model, all seeds, stops and strengths side by side.

    The arms: ``none`` does nothing about forgetting; ``wpl`` anchors the shared weights in
    proportion to their importance, the Fisher information, and so do ``floor`` (to which a
    constant is added), ``si`` and ``mas`` (other importances) and ``ewc`` (all weights are shared);
    ``l2`` anchors uniformly and as strongly on average, ``omega`` by the exact quadratic form;
    ``frozen`` does not move the shared weights, the bound on forgetting; ``joint`` trains both
    models together, the bound on accuracy. A seed has the same initial weights and batches in every
    arm: arms are paired.

    Args:
        images: The data of the second model, and of the first unless ``first_images`` are given.
        first: By name, weights of the first model ``(stop, seed, ...)``.
        importance: By name, that of those weights, in their shapes; for the arm ``omega`` the
            quadratic form as from ``estimate_omega``.
        arm: What is done about forgetting.
        alphas: Strengths of the anchor; for an arm without one, a single value that is not used.
        shared: How many first layers the two models share.
        seeds: Root seeds.
        stops: Names of the stops of ``first``.
        depth: Number of layers of the second model.
        width: Units of each hidden layer.
        iterations: Steps of Adam.
        batch_size: Samples of a step.
        learning_rate: Of Adam.
        weight_decay: λ of the loss term λ/2 ‖θ‖².
        record_every: Iterations between two records of the accuracy on test data.
        floor: What the arm ``floor`` adds to the importance.
        first_images: The data of the first model, where it is another task.

    Returns:
        By name, ``(stop, alpha, seed, ...)``, the second model's weights, and of a first model
        that was trained on (``joint``) its own as ``first.…``; and a table with one row per run
        and record: arm, shared, stop, alpha, seed, iteration, and the accuracy of the
        first and of the second model on test data.

    Raises:
        FloatingPointError: If a run's weights do not stay finite.
    """
    test = images.flat("test")
    test_first = test if first_images is None else first_images.flat("test")
    runs = pd.MultiIndex.from_product(
        [stops, alphas, seeds], names=["stop", "alpha", "seed"]
    ).to_frame(index=False)
    titles = [f"{arm}: {dict(run)}" for _, run in runs.iterrows()]
    variants = len(stops) * len(alphas)
    names = mlp.layer_names(shared)

    before = _spread(first, len(alphas))
    widths = [test[0].shape[1], *[width] * (depth - 1), images.classes]
    fresh = mlp.init(widths, [generator(seed, "train_second", "init") for seed in seeds])
    second = {name: _repeat(p, variants) for name, p in fresh.items()}
    second |= {name: before[name].clone() for name in names}
    first_now = before | {name: second[name] for name in names}

    trained = {name: p for name, p in second.items() if arm != "frozen" or name not in names}
    if arm == "joint":
        trained |= {f"first.{name}": p for name, p in first_now.items() if name not in names}
    adam = Adam(trained.values(), learning_rate, weight_decay)
    anchor = {name: before[name] for name in names}
    plasticity = _anchor(arm, anchor, importance, floor, alphas, runs["alpha"])

    records = []

    def record(iteration: int) -> None:
        mlp.check_finite(trained, titles)
        records.append(
            runs.assign(
                iteration=iteration,
                accuracy_first=mlp.accuracy(first_now, *test_first).numpy(),
                accuracy_second=mlp.accuracy(second, *test).numpy(),
            )
        )

    def stream(of: Images) -> Iterator[tuple[Tensor, Tensor]]:
        return batches(
            *of.flat("train"),
            seeds=seeds,
            purpose="train_second",
            batch_size=batch_size,
            iterations=iterations,
        )

    def loss_of(theta: mlp.Parameters, x: Tensor, y: Tensor) -> Tensor:
        logits = mlp.forward(theta, x)  # (run, class, batch)
        return F.cross_entropy(logits, _repeat(y, variants), reduction="sum")

    rehearsed = stream(first_images) if arm == "joint" and first_images else None
    for iteration, (x, y) in enumerate(stream(images)):
        if iteration % record_every == 0:
            record(iteration)
        loss = loss_of(second, x, y)
        if arm == "joint":
            loss = loss + loss_of(first_now, *(next(rehearsed) if rehearsed else (x, y)))
        adam.zero_grad()
        (loss / batch_size).backward()
        if plasticity:
            plasticity.add_gradient_(second)
        adam.step()
    record(iterations)

    shape = (len(stops), len(alphas), len(seeds))
    weights = {name: p.detach().unflatten(0, shape) for name, p in (second | trained).items()}
    table = pd.concat(records, ignore_index=True)
    table.insert(0, "arm", arm)
    table.insert(1, "shared", shared)
    return weights, table


def _anchor(
    arm: Arm,
    anchor: mlp.Parameters,
    importance: Mapping[str, Tensor],
    floor: float,
    alphas: Sequence[float],
    of_runs: pd.Series,
) -> WeightPlasticity | DenseAnchor | None:
    """Make the penalty of an arm, if it has one; ``of_runs`` holds the strength of each run."""
    if arm in ("none", "frozen", "joint"):
        return None
    if arm == "omega":
        return DenseAnchor(anchor, importance["omega"], alphas)
    weight = _spread({name: importance[name] + floor for name in anchor}, len(alphas))
    strengths = torch.tensor(of_runs.to_numpy())
    return WeightPlasticity(anchor, uniform(weight) if arm == "l2" else weight, strengths)


def _spread(stacked: Mapping[str, Tensor], alphas: int) -> mlp.Parameters:
    """(stop, seed, ...) → (run, ...): a run for each stop, strength and seed, in this order."""
    return {
        name: p.unsqueeze(1).expand(-1, alphas, *p.shape[1:]).flatten(0, 2).clone()
        for name, p in stacked.items()
    }


def _repeat(seeds: Tensor, variants: int) -> Tensor:
    """(seed, ...) → (run, ...): the same for every stop and strength."""
    return seeds.repeat(variants, *[1] * (seeds.ndim - 1))
