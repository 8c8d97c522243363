"""Time the training of 10 seeds side by side, compared with one seed.

    python benchmarks/seeds.py

Trains the first model of the default experiment on random data with the shapes of the digits and of
MNIST, with 1 and 10 seeds in turn, on one thread, and prints the median ratio of the times.
"""

import statistics
import time
from dataclasses import replace

import torch

from wpl_lab.data.images import Images
from wpl_lab.two_models.first import train_first
from wpl_lab.two_models.training_settings import First

SHAPES = {"digits": (1293, 8), "mnist": (54_000, 28)}
WIDTH = 10
TRAINING = First(
    stops=(),
    check_every=1,
    depth=4,
    iterations=300,
    batch_size=64,
    learning_rate=1e-3,
    weight_decay=0.0,
)


def random_images(samples: int, side: int) -> Images:
    sizes = {"train": samples, "valid": 100, "test": 100}
    pixels = {p: torch.randint(256, (n, 1, side, side)).byte() for p, n in sizes.items()}
    labels = {p: torch.arange(n) % 10 for p, n in sizes.items()}
    return Images(pixels, labels, {})


def seconds(images: Images, seeds: int) -> float:
    start = time.perf_counter()
    train_first(images, TRAINING, seeds=range(seeds), width=WIDTH)
    return time.perf_counter() - start


def main() -> None:
    torch.set_num_threads(1)
    for name, shape in SHAPES.items():
        images = random_images(*shape)
        still = replace(TRAINING, iterations=1)
        seconds(images, 1)
        ratios = []
        for _ in range(7):
            start = time.perf_counter()
            train_first(images, still, seeds=[0], width=WIDTH)  # everything but the training
            fixed = time.perf_counter() - start
            one, ten = (seconds(images, n) - fixed for n in (1, 10))
            ratios.append(ten / one)
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"{name}: 10 seeds cost {statistics.median(ratios):.2f} times one ({spread})")


if __name__ == "__main__":
    main()
