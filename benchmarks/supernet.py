"""Time a training step of shared weights of NAS-Bench-201, compared with a plain PyTorch module.

    python benchmarks/supernet.py

Both take the same steps of gradient descent with clipping on the same images, in turn and in one
process: an architecture with shared weights, as a search trains it, and the same architecture as
an `nn.Sequential` with `torch.optim.SGD`. Prints images per second of processor time on one
thread; the median speed relative to the plain module over architectures and rounds (larger than 1
is faster), for PyTorch's default memory format and for channels-last; and the share of a step that
is spent in convolutions and in batch normalisation. The losses must agree.
"""

import argparse
import os
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn
from torch.profiler import ProfilerActivity, profile

from wpl_lab.data.images import Images
from wpl_lab.search.descent import clip_, step_, used_by
from wpl_lab.search.protocol import draw
from wpl_lab.search.spaces.nasbench201 import OPERATIONS
from wpl_lab.search.spaces.nasbench201_task import nasbench201_task
from wpl_lab.seeding import generator

RATE, NORM = 0.1, 5.0


class Sum(nn.Module):
    """A cell, each node of which is the sum of operations on earlier nodes."""

    def __init__(self, operations):
        super().__init__()
        self.names = sorted(operations, key=lambda edge: (edge[1], edge[0]))
        self.operations = nn.ModuleList(operations[edge] for edge in self.names)

    def forward(self, x):
        nodes = {0: x}
        for (source, node), operation in zip(self.names, self.operations, strict=True):
            y = operation(nodes[source])
            nodes[node] = nodes[node] + y if node in nodes else y
        return nodes[3]


class Residual(nn.Module):
    def __init__(self, straight, short):
        super().__init__()
        self.straight, self.short = straight, short

    def forward(self, x):
        return self.straight(x) + self.short(x)


def convolved(weight, stride=1):
    out, into, kernel, _ = weight.shape
    layer = nn.Conv2d(into, out, kernel, stride, kernel // 2, bias=False)
    layer.weight.data.copy_(weight)
    return layer


def plain_norm(channels):
    return nn.BatchNorm2d(channels, affine=False, track_running_stats=False)


def normalised(weight, stride=1):
    return nn.Sequential(nn.ReLU(), convolved(weight, stride), plain_norm(len(weight)))


def operation(name, weight):
    if name == "skip_connect":
        return nn.Identity()
    if name == "avg_pool_3x3":
        return nn.AvgPool2d(3, 1, 1, count_include_pad=False)
    return normalised(weight)


def plain(task, weights, genotype):
    """Build the same network from plain modules."""
    own, made = {name: weight[0] for name, weight in weights.items()}, task.network.layout
    layers = [convolved(own["stem"]), plain_norm(made.width)]
    for stage in range(made.stages):
        if stage:
            name = f"reduction.{stage}"
            straight = nn.Sequential(
                normalised(own[f"{name}_a"], stride=2), normalised(own[f"{name}_b"])
            )
            short = nn.Sequential(nn.AvgPool2d(2, ceil_mode=True), convolved(own[f"{name}_skip"]))
            layers.append(Residual(straight, short))
        for cell in range(made.stacked):
            edges = {
                edge: operation(
                    genotype.on[edge],
                    own.get(f"edge.{stage}_{cell}_{edge[0]}_{edge[1]}_{genotype.on[edge]}"),
                )
                for edge in genotype.edges
            }
            layers.append(Sum(edges))
    size = own["classifier"].shape[1]
    last = nn.Linear(size, len(own["bias"]))
    last.weight.data.copy_(own["classifier"])
    last.bias.data.copy_(own["bias"])
    return nn.Sequential(
        *layers, plain_norm(size), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), last
    )


def timed(step, steps):
    start = time.process_time()
    loss = [step() for _ in range(steps)][-1]
    return (time.process_time() - start) / steps, loss


def shared_step(task, weights, genotype, inputs, targets):
    names = [task.used(genotype)]
    random = [generator(0)]

    def step():
        children = task.children(weights, [(0, genotype)])
        loss, gradients = children.gradients(inputs, targets, random)
        clip_(gradients, NORM)
        used = used_by(names, weights)
        step_(weights, gradients, used, learning_rate=RATE, weight_decay=0.0)
        return float(loss[0])

    return step


def plain_step(model, inputs, targets):
    optimizer = torch.optim.SGD(model.parameters(), RATE)

    def step():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), targets)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), NORM)
        optimizer.step()
        return float(loss.detach())

    return step


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--architectures", type=int, default=6)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--steps", type=int, default=10)
    given = options.parse_args()
    torch.set_num_threads(1)
    random = generator(0, "benchmark")
    pixels = {
        part: torch.randint(256, (200, 3, 16, 16), generator=random, dtype=torch.uint8)
        for part in ("train", "valid", "test")
    }
    labels = {part: torch.randint(10, (200,), generator=random) for part in pixels}
    task = nasbench201_task(
        Images(pixels, labels, {}),
        operations=OPERATIONS,
        width=8,
        stages=3,
        stacked=1,
        batch_size=64,
        measured=64,
        shift=0,
        flip=False,
        dropout=0.0,
        drop_path=0.0,
    )
    cells = [task.space.parse("333133")]
    while len(cells) < given.architectures:
        cell = draw(task.space, random)
        cells += [cell] if cell.edges else []
    inputs, targets = next(task.batches(0, [0]))
    ratios = {"usual layout": [], "channels-last": []}
    speeds = []
    for cell in cells:
        weights = {name: weight[None].clone() for name, weight in task.weights(0).items()}
        usual = plain(task, weights, cell)
        last = plain(task, weights, cell).to(memory_format=torch.channels_last)
        sides = {
            "shared": shared_step(task, weights, cell, inputs, targets),
            "usual layout": plain_step(usual, inputs[0], targets[0]),
            "channels-last": plain_step(
                last, inputs[0].contiguous(memory_format=torch.channels_last), targets[0]
            ),
        }
        for _ in range(given.rounds):
            found = {side: timed(step, given.steps) for side, step in sides.items()}
            losses = [loss for _, loss in found.values()]
            assert max(losses) - min(losses) < 1e-2 * max(losses), losses
            speeds.append(64 / found["shared"][0])
            for side, ratio in ratios.items():
                ratio.append(found[side][0] / found["shared"][0])
    print(f"shared weights: {statistics.median(speeds):.0f} images per second, median")
    for side, ratio in ratios.items():
        low, high = min(ratio), max(ratio)
        print(
            f"against plain, {side}: {statistics.median(ratio):.2f} times as fast "
            f"({low:.2f} to {high:.2f})"
        )
    step = shared_step(task, weights, cells[0], inputs, targets)
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        timed(step, 5)
    events = recorded.key_averages()
    total = sum(event.self_cpu_time_total for event in events)
    of = {
        name: sum(e.self_cpu_time_total for e in events if name in e.key) / total
        for name in ("convolution", "batch_norm")
    }
    print("share of a step: " + ", ".join(f"{name} {share:.0%}" for name, share in of.items()))
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
