"""Train the second model on weights that it shares with the first, with one arm."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from wpl.plasticity import WeightPlasticity
from wpl_lab.adam import Adam
from wpl_lab.arm import Arm
from wpl_lab.data.images import Images
from wpl_lab.seeding import generator
from wpl_lab.two_models import mlp
from wpl_lab.two_models.batches import batches
from wpl_lab.two_models.dense_anchor import DenseAnchor
from wpl_lab.two_models.training_settings import Second
from wpl_lab.weighting import weighting


@dataclass(frozen=True, kw_only=True)
class Strengths:
    """The strengths of an arm.

    Attributes:
        alpha: Its own strength, one of ``alphas``; 0 for an arm without an anchor.
        alphas: All strengths at which it is run.
        numbers: Numbers of its section of params.yaml that its importance takes.
    """

    alpha: float
    alphas: Sequence[float]
    numbers: Mapping[str, float] = field(default_factory=dict)


def train_second(
    images: Images,
    first: Mapping[str, Tensor],
    estimates: Mapping[str, Mapping[str, Tensor]],
    settings: Second,
    *,
    arm: Arm,
    strengths: Strengths,
    shared: int,
    seeds: Sequence[int],
    stops: Sequence[str],
    width: int,
    first_images: Images | None = None,
) -> tuple[mlp.Parameters, pd.DataFrame]:
    """Train a second model after every first model: all seeds, stops and strengths side by side.

    A seed has the same initial weights and batches in every arm: arms are paired.

    Args:
        images: The data of the second model, and of the first unless ``first_images`` is given.
        first: By name, weights of the first model ``(stop, seed, ...)``.
        estimates: Estimates of these weights by kind and name, in their shapes; ``omega`` as
            returned by ``estimate_omega``. An arm without an anchor needs none.
        settings: How to train the second model; accuracies are recorded on test data.
        arm: The remedy for forgetting.
        strengths: Its strengths.
        shared: Number of shared layers.
        seeds: Root seeds.
        stops: Names of the stops of ``first``.
        width: Units of each hidden layer.
        first_images: The data of the first model, if it has another task.

    Returns:
        By name, ``(stop, alpha, seed, ...)``, the weights of the second model, and as
        ``first.NAME`` those of the first model where it is trained as well; and a table with one
        row per run and record: arm, shared, stop, alpha, whether that is the arm's own strength,
        seed, iteration, and the accuracy of the first and of the second model on test data.

    Raises:
        FloatingPointError: If training diverges.
    """
    alphas, test = strengths.alphas, images.flat("test")
    test_first = test if first_images is None else first_images.flat("test")
    runs = pd.MultiIndex.from_product(
        [stops, alphas, seeds], names=["stop", "alpha", "seed"]
    ).to_frame(index=False)
    titles = [f"{arm.name}: {dict(run)}" for _, run in runs.iterrows()]
    runs.insert(2, "own", runs["alpha"] == strengths.alpha)
    variants = len(stops) * len(alphas)
    names = mlp.layer_names(shared)

    before = _spread(first, len(alphas))
    widths = [test[0].shape[1], *[width] * (settings.depth - 1), images.classes]
    fresh = mlp.init(widths, [generator(seed, "train_second", "init") for seed in seeds])
    second = {name: _repeat(p, variants) for name, p in fresh.items()}
    second |= {name: before[name].clone() for name in names}
    first_now = before | {name: second[name] for name in names}

    trained = {n: p for n, p in second.items() if arm.trains != "private" or n not in names}
    if arm.trains == "both":
        trained |= {f"first.{name}": p for name, p in first_now.items() if name not in names}
    adam = Adam(trained.values(), settings.learning_rate, settings.weight_decay)
    known = {
        kind: of if kind == "omega" else {name: of[name] for name in names}
        for kind, of in estimates.items()
    }
    anchor = {name: before[name] for name in names}
    plasticity = _plasticity(arm, anchor, known, strengths) if arm.importance else None

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
            batch_size=settings.batch_size,
            iterations=settings.iterations,
        )

    def loss_of(theta: mlp.Parameters, x: Tensor, y: Tensor) -> Tensor:
        logits = mlp.forward(theta, x)  # (run, class, batch)
        return F.cross_entropy(logits, _repeat(y, variants), reduction="sum")

    rehearsed = stream(first_images) if arm.trains == "both" and first_images else None
    for iteration, (x, y) in enumerate(stream(images)):
        if iteration % settings.record_every == 0:
            record(iteration)
        loss = loss_of(second, x, y)
        if arm.trains == "both":
            loss = loss + loss_of(first_now, *(next(rehearsed) if rehearsed else (x, y)))
        adam.zero_grad()
        (loss / settings.batch_size).backward()
        if plasticity:
            plasticity.add_gradient_(second)
        adam.step()
    record(settings.iterations)

    shape = (len(stops), len(alphas), len(seeds))
    weights = {name: p.detach().unflatten(0, shape) for name, p in (second | trained).items()}
    table = pd.concat(records, ignore_index=True)
    table.insert(0, "arm", arm.name)
    table.insert(1, "shared", shared)
    return weights, table


def _plasticity(
    arm: Arm,
    anchor: mlp.Parameters,
    estimates: Mapping[str, Mapping[str, Tensor]],
    strengths: Strengths,
) -> WeightPlasticity | DenseAnchor:
    """Make the penalty of an arm from the estimates of the anchored weights."""
    importance = weighting(arm, estimates, strengths.numbers, stacked=2)  # (stop, seed, ...)
    alphas = torch.tensor(strengths.alphas, dtype=torch.float64)
    if "omega" in importance:
        return DenseAnchor(anchor, importance["omega"], strengths.alphas)
    stops, seeds = next(iter(importance.values())).shape[:2]
    of_runs = alphas.repeat_interleave(seeds).repeat(stops)  # (run)
    return WeightPlasticity(anchor, _spread(importance, len(alphas)), of_runs)


def _spread(stacked: Mapping[str, Tensor], alphas: int) -> mlp.Parameters:
    """Repeat (stop, seed, ...) to (run, ...), over stops, strengths and seeds in this order."""
    return {
        name: p.unsqueeze(1).expand(-1, alphas, *p.shape[1:]).flatten(0, 2).clone()
        for name, p in stacked.items()
    }


def _repeat(seeds: Tensor, variants: int) -> Tensor:
    """Repeat (seed, ...) to (run, ...), the same for every stop and strength."""
    return seeds.repeat(variants, *[1] * (seeds.ndim - 1))
