"""Test in many settings whether A forgets more the more layers it shares, on MNIST.

    python benchmarks/mnist_order.py data        # trains settings missing in order.csv; MNIST/raw
                                                 # is in the folder data
    python benchmarks/mnist_order.py             # only renders docs/mnist/order.md from order.csv

Without a remedy, A of the paper keeps .81, .75 and .64 with 1, 2 and 3 shared layers, an order that
the default experiment does not show. The settings vary the width, the optimiser, the initial
weights, the end of A's training, and the length of B's. All runs of a setting are trained side by
side. All settings take 25 minutes on one core, most of it for width 100.
"""

import argparse
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd
import torch
import torch.nn.functional as F
from mnist_order_report import report
from torch import Tensor

from wpl_lab.data.data_settings import ImageData
from wpl_lab.data.image_sources import read_images
from wpl_lab.data.images import Images
from wpl_lab.io.files import load_table, save_table, save_text
from wpl_lab.seeding import generator
from wpl_lab.two_models import mlp
from wpl_lab.two_models.batches import batches

SETTING = ("width", "optimiser", "initial")
FOLDER = Path(__file__).parents[1] / "docs/mnist"
SEEDS = range(10)
SHARED = (1, 2, 3)
LAYERS = {"first": 4, "second": 6}
WIDTHS = (10, 32, 100)
OPTIMISERS = {
    "Adam 0.001": lambda weights: torch.optim.Adam(weights, 1e-3),
    "SGD 0.1": lambda weights: torch.optim.SGD(weights, 0.1),
    "SGD 0.01, momentum 0.9": lambda weights: torch.optim.SGD(weights, 0.01, momentum=0.9),
}
INITIAL = ("uniform", "He")
"""Initial weights: uniform in ±1/√fan-in, torch's default, or √6 times that, with biases of 0."""
STOPS = (0.89, "converged")
"""End of A's training: at the validation accuracy of the paper, or after all its iterations."""
SETTINGS = tuple(itertools.product(WIDTHS, OPTIMISERS, INITIAL))
PLANNED = len(SETTINGS) * len(STOPS)
"""The number of settings, counting both stops of A."""
ITERATIONS = {"first": 3000, "second": 1500}
RECORDS = (50, 200, 500, 1500)
BATCH_SIZE = 64
CHECK_EVERY = 20
TESTED = 2000


def train_setting(images: Images, width: int, optimiser: str, initial: str) -> pd.DataFrame:
    """Train A for all seeds, then B for both stops of A and all numbers of shared layers.

    Args:
        images: MNIST.
        width: Units of each hidden layer.
        optimiser: One of ``OPTIMISERS``, for both models.
        initial: One of ``INITIAL``, for both models.

    Returns:
        One row per stop, number of shared layers, seed and record: iterations of B, test accuracy
        of A before and after, and that of B.
    """
    first = initialise(images, "first", width, initial)
    stopped = {name: torch.empty_like(p) for name, p in first.items()}
    never = torch.ones(len(SEEDS), dtype=torch.bool)
    x, y = images.flat("valid")
    for iteration in descend(first, images, "first", optimiser):
        if iteration % CHECK_EVERY == 0 and never.any():
            now = never & (mlp.accuracy(first, x[:TESTED], y[:TESTED]) >= STOPS[0])
            for name, p in first.items():
                stopped[name][now] = p.detach()[now]
            never &= ~now
    if never.any():  # the accuracy was not reached: take the last weights
        for name, p in first.items():
            stopped[name][never] = p.detach()[never]

    # (stop · shared · seed, ...)
    models = {
        n: torch.cat([stopped[n], p.detach()]).unflatten(0, (2, -1)) for n, p in first.items()
    }
    before = {n: p.repeat_interleave(len(SHARED), 0).flatten(0, 1) for n, p in models.items()}
    fresh = initialise(images, "second", width, initial)
    second = {n: p.repeat(2 * len(SHARED), *[1] * (p.ndim - 1)) for n, p in fresh.items()}
    runs = pd.MultiIndex.from_product([STOPS, SHARED, SEEDS], names=["stop", "shared", "seed"])
    shared = torch.tensor(runs.get_level_values("shared").to_numpy())
    for layer in SHARED:
        for name in mlp.layer_names(layer)[-2:]:
            second[name][shared >= layer] = before[name][shared >= layer]

    x, y = (t[:: len(t) // TESTED] for t in images.flat("test"))
    kept = mlp.accuracy(before, x, y)
    records = []
    for iteration in descend(second, images, "second", optimiser):
        if iteration in RECORDS:
            after = dict(before)
            for layer in SHARED:
                for name in mlp.layer_names(layer)[-2:]:
                    here = (shared >= layer).reshape(-1, *[1] * (before[name].ndim - 1))
                    after[name] = torch.where(here, second[name].detach(), before[name])
            scores = {
                "before": kept,
                "after": mlp.accuracy(after, x, y),
                "second": mlp.accuracy(second, x, y),
            }
            columns = {name: s.numpy() for name, s in scores.items()}
            records.append(runs.to_frame(index=False).assign(iteration=iteration, **columns))
    return pd.concat(records, ignore_index=True)


def initialise(images: Images, model: str, width: int, initial: str) -> mlp.Parameters:
    """Draw the initial weights for all seeds, by name: ``(seed, ...)``."""
    features = images.pixels["train"][0].numel()
    widths = [features, *[width] * (LAYERS[model] - 1), images.classes]
    theta = mlp.init(widths, [generator(s, f"train_{model}", "init") for s in SEEDS])
    if initial == "He":
        for name, p in theta.items():
            p.mul_(6**0.5 if name.endswith("weight") else 0.0)
    return theta


def descend(theta: mlp.Parameters, images: Images, model: str, optimiser: str) -> Iterator[int]:
    """Train weights ``(run, ...)`` in place, and yield the number of steps done after each step."""
    optimise = OPTIMISERS[optimiser]([p.requires_grad_() for p in theta.values()])
    stream: Iterable[tuple[Tensor, Tensor]] = batches(
        *images.flat("train"),
        seeds=SEEDS,
        purpose=f"train_{model}",
        batch_size=BATCH_SIZE,
        iterations=ITERATIONS[model],
    )
    runs = len(next(iter(theta.values())))
    for iteration, (x, y) in enumerate(stream, 1):
        logits = mlp.forward(theta, x)  # (run, class, batch)
        labels = y.repeat(runs // len(SEEDS), 1)
        optimise.zero_grad()
        (F.cross_entropy(logits, labels, reduction="sum") / BATCH_SIZE).backward()
        optimise.step()
        yield iteration


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, nargs="?", help="folder with MNIST/raw")
    root = parser.parse_args().root
    torch.set_num_threads(1)
    table = FOLDER / "order.csv"
    if root:
        settings = ImageData(
            source="mnist",
            root=str(root),
            size=None,
            background="white",
            limit=None,
            valid_share=0.1,
            test_share=0.2,
            seed=0,
        )
        images = read_images(settings)
        rows = [load_table(table, dtype={"stop": str})] if table.is_file() else []
        there = {
            setting for done in rows for setting in zip(*(done[s] for s in SETTING), strict=True)
        }
        for setting in SETTINGS:
            if setting not in there:
                found = train_setting(images, *setting)
                rows.append(found.assign(**dict(zip(SETTING, setting, strict=True))))
                save_table(table, pd.concat(rows, ignore_index=True))
                print(*setting, flush=True)
    save_text(FOLDER / "order.md", report(load_table(table, dtype={"stop": str}), PLANNED))


if __name__ == "__main__":
    main()
