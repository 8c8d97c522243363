"""Time a training step with the weight plasticity loss, relative to a plain SGD step.

    python benchmarks/plasticity.py

On one thread, each variant and the plain step are timed in turn on copies of one model in one
process; the ratio is computed for each pair. Prints median and quartiles. The ratio of the plain
step to itself shows the precision of the measurement. All weights are anchored.
"""

import copy
import statistics
import time
from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wpl import WeightPlasticity

LR = 0.01
SECONDS = 10  # for each way and model


class Words(nn.Module):
    """A language model with ten million weights and a tied decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.lstm = nn.Embedding(10_000, 540), nn.LSTM(540, 540, 2)
        self.decoder = nn.Linear(540, 10_000)
        self.decoder.weight = self.embedding.weight
        nn.init.normal_(self.embedding.weight, std=0.04)

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.lstm(self.embedding(x))[0]).flatten(0, 1)


def mlp(width: int) -> nn.Module:
    widths = [784, *[width] * 4]
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(widths):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, 10))


def cnn() -> nn.Module:
    layers: list[nn.Module] = []
    for fan_in, fan_out, stride in ((3, 64, 1), (64, 64, 1), (64, 128, 2), (128, 128, 1)):
        layers += [nn.Conv2d(fan_in, fan_out, 3, stride, 1), nn.BatchNorm2d(fan_out), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))


def cases() -> dict[str, tuple[nn.Module, Tensor, Tensor]]:
    flat, labels = torch.randn(128, 784), torch.randint(10, (128,))
    words = torch.randint(10_000, (35, 20))
    return {
        "MLP 4×200, batch 128": (mlp(200), flat, labels),
        "MLP 4×1024, batch 128": (mlp(1024), flat, labels),
        "LSTM 10M, batch 20×35": (Words(), words, words.flatten()),
        "CNN, batch 64": (cnn(), torch.randn(64, 3, 32, 32), labels[:64]),
    }


def steps(model: nn.Module, x: Tensor, y: Tensor) -> dict[str, Callable[[], None]]:
    """Return a training step of each variant; each has its own copy of the model."""

    def prepare(way: str) -> Callable[[], None]:
        own = copy.deepcopy(model)
        theta = dict(own.named_parameters())
        anchor = {name: p.detach() + 0.01 * torch.randn_like(p) for name, p in theta.items()}
        importance = {name: torch.rand_like(p) for name, p in theta.items()}
        plasticity = WeightPlasticity(anchor, importance, 1.0)
        sgd = torch.optim.SGD(theta.values(), LR)
        count = 0

        def step() -> None:
            nonlocal count
            count += 1
            sgd.zero_grad()
            loss = F.cross_entropy(own(x), y)
            if way == "loss":
                loss = loss + plasticity.loss(theta)
            loss.backward()
            if way == "add_gradient_":
                plasticity.add_gradient_(theta)
            if way == "sgd_step_":
                plasticity.sgd_step_(theta, LR)
            else:
                sgd.step()
            if way == "pull_":
                plasticity.pull_(theta, LR)
            if way == "pull_ every 4th step" and count % 4 == 0:
                plasticity.pull_(theta, 4 * LR)

        return step

    ways = ["plain", "plain again", "loss", "add_gradient_", "pull_"]
    ways += ["pull_ every 4th step", "sgd_step_"]
    return {way: prepare(way) for way in ways}


def seconds(step: Callable[[], None], times: int) -> float:
    step()  # brings the model back into the caches
    start = time.perf_counter()
    for _ in range(times):
        step()
    return time.perf_counter() - start


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    for title, case in cases().items():
        plain, *others = steps(*case).items()
        once = statistics.median(seconds(plain[1], 1) for _ in range(3))
        times = 4 * max(1, round(0.02 / once / 4)) if once < 0.1 else 4
        rounds = max(7, int(SECONDS / (2 * once * (times + 1))))
        print(f"{title}: plain step {once * 1e3:.2f} ms, {rounds} pairs")
        ratios: dict[str, list[float]] = {way: [] for way, _ in others}
        for turn in range(rounds):
            for way, step in others:
                pair = (step, plain[1]) if turn % 2 else (plain[1], step)
                first, second = (seconds(each, times) for each in pair)
                ratios[way].append(first / second if turn % 2 else second / first)
        for way, values in ratios.items():
            low, median, high = statistics.quantiles(values, n=4)
            print(f"  {way:22} {median:.3f} ({low:.3f} to {high:.3f})", flush=True)


if __name__ == "__main__":
    main()
