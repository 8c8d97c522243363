"""The task of NAS-Bench-201 at a size suitable for tests."""

import torch

from wpl_lab.data.images import Images
from wpl_lab.data.parts import PARTS
from wpl_lab.search.spaces.nasbench201 import OPERATIONS
from wpl_lab.search.spaces.nasbench201_task import nasbench201_task
from wpl_lab.seeding import generator


def noise(counts=(40, 24, 12), size=5):
    """Return random images with random labels of three classes."""
    random = generator(0, "noise")
    labels = {part: torch.arange(count) % 3 for part, count in zip(PARTS, counts, strict=True)}
    pixels = {
        part: torch.randint(256, (len(y), 2, size, size), generator=random, dtype=torch.uint8)
        for part, y in labels.items()
    }
    return Images(pixels, labels, {})


def tiny_task(**changed):
    settings = {"operations": OPERATIONS, "width": 3, "stages": 2, "stacked": 2}
    settings |= {"batch_size": 8, "measured": 8, "shift": 0, "flip": False}
    return nasbench201_task(noise(), **settings | {"dropout": 0.0, "drop_path": 0.0} | changed)
