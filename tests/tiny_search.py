"""Searches small enough for tests: on a text of 20 words, and on a task that knows no text."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from wpl_lab.data.text import Text
from wpl_lab.search.loop import search
from wpl_lab.search.protocol import Score
from wpl_lab.search.settings import Plasticity, Policy, Training
from wpl_lab.search.spaces.text_task import TextTask
from wpl_lab.seeding import generator

WORDS = tuple(f"word{i}" for i in range(20))
TRAINING = {
    "epochs": 3,
    "children": 3,
    "batches": 2,
    "learning_rate": 1.0,
    "decay": 0.9,
    "decay_from": 2,
    "gradient_norm": 1.0,
    "weight_decay": 1e-5,
    "explosion": 5.0,
    "candidates": 4,
    "exhaustive": 0,
    "ranked_every": 1,
}
PLASTICITY = {
    "alpha": 50.0,
    "warmup": 0,
    "decay_from": None,
    "uniform": False,
    "rate": 0.5,
    "largest_norm": 1.0,
    "kind": "empirical",
    "protect": ("embedding", "bias", "input", "recurrent", "edge"),
}
POLICY = {
    "steps": 2,
    "samples": 2,
    "hidden": 4,
    "temperature": 5.0,
    "tanh_constant": 2.5,
    "learning_rate": 0.01,
    "entropy": 1e-3,
    "baseline_decay": 0.9,
}
TASK = {
    "nodes": 2,
    "hidden": 4,
    "batch_size": 2,
    "steps": 3,
    "score_rows": 2,
    "reward_scale": 10.0,
    "dropout": 0.1,
    "weight_drop": 0.1,
    "drop_path": 0.2,
}


def tiny_text(*, valid=60, test=40):
    """A text in which a word is followed by one of three: there is something to learn."""
    random, word, tokens = generator(0, "text"), 0, []
    for step in torch.randint(1, 4, (200 + valid + test,), generator=random).tolist():
        word = (3 * word + step) % len(WORDS)
        tokens.append(word)
    return Text(*torch.tensor(tokens).split([200, valid, test]), words=WORDS)


def text_task(text=None, *, seed=0, **changed):
    return TextTask(text or tiny_text(), seed=seed, **TASK | changed)


def plasticity(**changed):
    return Plasticity(**PLASTICITY | changed)


def policy(**changed):
    return Policy(**POLICY | changed)


def training(**changed):
    return Training(**TRAINING | changed)


def run(task, checkpoint, *, seed=0, protect=None, learn=None, **changed):
    """Search, with the settings above but for what is changed."""
    return search(
        task,
        seed=seed,
        training=training(**changed),
        plasticity=protect,
        strategy=learn,
        checkpoint=checkpoint,
    )


CASES = {
    "enas and wpl": lambda: {"protect": plasticity(), "learn": policy()},
    "uniform and nothing": lambda: {"exhaustive": 32},
    "uniform and l2": lambda: {"protect": plasticity(uniform=True, kind="mc", warmup=1)},
}


@dataclass(frozen=True)
class Pair:
    """An architecture of two choices; it prints as ``1-2``."""

    first: int
    second: int

    def __str__(self):
        return f"{self.first}-{self.second}"


class PairSpace:
    """Two decisions of three choices each."""

    options = (3, 3)
    roles = ("first", "second")
    size = 9

    def decode(self, choices):
        return Pair(*choices)

    def cells(self):
        return (Pair(i, j) for i in range(3) for j in range(3))

    def parse(self, text):
        return Pair(*map(int, text.split("-")))


class PairChild(nn.Module):
    def __init__(self, shared, pair):
        super().__init__()
        self.shared, self.pair = shared, pair

    def forward(self, inputs):
        hidden = torch.tanh(self.shared.first[self.pair.first](inputs))
        return self.shared.second[self.pair.second](hidden)


class PairTask:
    """Points in three classes; a pair of layers is rewarded for what it shares with the best."""

    best = Pair(2, 1)
    guessing = math.log(3)

    def __init__(self):
        self.space = PairSpace()
        random = generator(0, "pairs")
        self.model = nn.Module()
        self.model.first = nn.ModuleList(nn.Linear(2, 4) for _ in range(3))
        self.model.second = nn.ModuleList(nn.Linear(4, 3) for _ in range(3))
        for parameter in self.model.parameters():
            nn.init.uniform_(parameter, -0.5, 0.5, generator=random)
        self._inputs = torch.randn(60, 2, generator=random)
        self._targets = (self._inputs @ torch.randn(2, 3, generator=random)).argmax(1)

    def child(self, pair):
        return PairChild(self.model, pair)

    def used(self, pair):
        layers = (f"first.{pair.first}", f"second.{pair.second}")
        return [f"{layer}.{weight}" for layer in layers for weight in ("weight", "bias")]

    def batches(self, start, seed):
        while True:
            at = start * 10 % 60
            yield self._inputs[at : at + 10], self._targets[at : at + 10]
            start += 1

    def loss(self, child, inputs, targets, random):
        return F.cross_entropy(child(inputs), targets)

    def sample(self, random):
        chosen = torch.randint(60, (10,), generator=random)
        return self._inputs[chosen], self._targets[chosen]

    def reward(self, child, inputs, targets):
        pair = child.pair
        return 0.5 * (pair.first == self.best.first) + 0.5 * (pair.second == self.best.second)

    @torch.no_grad()
    def score(self, child, part):
        logits = child(self._inputs)
        wrong = (logits.argmax(1) != self._targets).double().mean().item()
        return Score(F.cross_entropy(logits, self._targets).item(), 100 * wrong)

    def predictions(self, part):
        return 60
