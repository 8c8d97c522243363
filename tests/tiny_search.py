"""Searches small enough for tests: on a text of 20 words, and on a task without text."""

import math
from dataclasses import dataclass
from itertools import count

import torch
import torch.nn.functional as F

from wpl_lab.arms import ARMS
from wpl_lab.data.text import Text
from wpl_lab.search.loop import search
from wpl_lab.search.protocol import Score
from wpl_lab.search.settings import ArmTraining, Plasticity
from wpl_lab.search.spaces.text_task import TextTask
from wpl_lab.search.strategies.strategy_settings import Policy
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
    """Return a text in which each word is followed by one of three, so that it can be learnt."""
    random, word, tokens = generator(0, "text"), 0, []
    for step in torch.randint(1, 4, (200 + valid + test,), generator=random).tolist():
        word = (3 * word + step) % len(WORDS)
        tokens.append(word)
    return Text(*torch.tensor(tokens).split([200, valid, test]), words=WORDS)


def text_task(text=None, **changed):
    return TextTask(text or tiny_text(), **TASK | changed)


def plasticity(**changed):
    return Plasticity(**PLASTICITY | changed)


def policy(**changed):
    return Policy(**POLICY | changed)


def training(**changed):
    return ArmTraining(**TRAINING | changed)


def run_seeds(task, checkpoints, *, arm="wpl", protect=None, learn=None, **changed):
    """Search with several seeds side by side, with the settings above and some changes."""
    return search(
        task,
        arm=ARMS[arm],
        training=training(**changed),
        plasticity=protect,
        strategy=learn,
        checkpoints=checkpoints,
    )


def run(task, checkpoint, *, seed=0, **settings):
    """Search with one seed."""
    return run_seeds(task, {seed: checkpoint}, **settings)


CASES = {
    "enas and wpl": lambda: {"protect": plasticity(), "learn": policy()},
    "uniform and nothing": lambda: {"exhaustive": 32},
    "uniform and l2": lambda: {"arm": "l2", "protect": plasticity(kind="mc", warmup=1)},
    "replay and wpl": lambda: {"protect": plasticity(), "replay": 2},
    "three together": lambda: {"protect": plasticity(), "together": 3},
    "slow, gradient of the penalty": lambda: {
        "protect": plasticity(largest_pull=0.1),
        "slow": 0.5,
        "slow_from": 1,
    },
}


@dataclass(frozen=True)
class Pair:
    """An architecture of two choices, printed as ``1-2``."""

    first: int
    second: int

    def __str__(self):
        return f"{self.first}-{self.second}"


class PairSpace:
    """A space of two decisions with three choices each."""

    options = (3, 3)
    roles = ("first", "second")
    size = 9

    def decode(self, choices):
        return Pair(*choices)

    def cells(self):
        return (Pair(i, j) for i in range(3) for j in range(3))

    def parse(self, text):
        return Pair(*map(int, text.split("-")))


class PairChildren:
    """Children computed one after the other, with autograd."""

    def __init__(self, task, weights, children):
        self.task, self.weights, self.children = task, weights, children

    def logits(self, child, inputs, weights=None):
        run, pair = self.children[child]
        w = weights or {name: weight[run] for name, weight in self.weights.items()}
        first, second = f"first.{pair.first}", f"second.{pair.second}"
        hidden = torch.tanh(F.linear(inputs, w[f"{first}.weight"], w[f"{first}.bias"]))
        return F.linear(hidden, w[f"{second}.weight"], w[f"{second}.bias"])

    def gradients(self, inputs, targets, randoms):
        losses = []
        total = {name: torch.zeros_like(weight) for name, weight in self.weights.items()}
        runs = [run for run, _ in self.children]
        for child, (run, pair) in enumerate(self.children):
            names = self.task.used(pair)
            leaves = {n: self.weights[n][run].clone().requires_grad_() for n in names}
            loss = F.cross_entropy(self.logits(child, inputs[run], leaves), targets[run])
            found = torch.autograd.grad(loss, list(leaves.values()))
            for name, gradient in zip(names, found, strict=True):
                total[name][run] += gradient / runs.count(run)
            losses.append(loss.detach())
        used = {name for _, pair in self.children for name in self.task.used(pair)}
        return torch.stack(losses), {n: g for n, g in total.items() if n in used}

    def fisher(self, inputs, targets, *, kind, randoms):
        total = {}
        for row in range(inputs.shape[1]):
            at = slice(row, row + 1)
            _, gradients = self.gradients(inputs[:, at], targets[:, at], randoms)
            for name, gradient in gradients.items():
                total[name] = total.get(name, 0) + gradient.square() / inputs.shape[1]
        return total

    def rewards(self, inputs, targets):
        best = self.task.best
        return [
            0.5 * (pair.first == best.first) + 0.5 * (pair.second == best.second)
            for _, pair in self.children
        ]

    def scores(self, part):
        found = []
        for child in range(len(self.children)):
            logits = self.logits(child, self.task.inputs)
            wrong = (logits.argmax(1) != self.task.targets).double().mean().item()
            nats = F.cross_entropy(logits, self.task.targets).item()
            found.append(Score(nats, 100 * wrong))
        return found


class PairTask:
    """Points in three classes; the reward of a pair is the number of choices of the best pair."""

    best = Pair(2, 1)
    guessing = math.log(3)
    device = torch.device("cpu")

    def __init__(self):
        self.space = PairSpace()
        random = generator(0, "pairs")
        self.inputs = torch.randn(60, 2, generator=random)
        self.targets = (self.inputs @ torch.randn(2, 3, generator=random)).argmax(1)

    def weights(self, seed):
        random = generator(seed, "pairs", "init")
        shapes = {f"first.{i}": (4, 2) for i in range(3)} | {
            f"second.{i}": (3, 4) for i in range(3)
        }
        return {
            f"{layer}.{name}": torch.rand(shape, generator=random) - 0.5
            for layer, (out, into) in shapes.items()
            for name, shape in (("weight", (out, into)), ("bias", (out,)))
        }

    def used(self, pair):
        layers = (f"first.{pair.first}", f"second.{pair.second}")
        return [f"{layer}.{weight}" for layer in layers for weight in ("weight", "bias")]

    def children(self, weights, children):
        return PairChildren(self, weights, children)

    def batches(self, start, seeds):
        while True:
            at = start * 10 % 60
            batch = self.inputs[at : at + 10], self.targets[at : at + 10]
            yield tuple(t.expand(len(seeds), *t.shape) for t in batch)
            start += 1

    def sample(self, randoms):
        chosen = torch.stack([torch.randint(60, (10,), generator=random) for random in randoms])
        return self.inputs[chosen], self.targets[chosen]

    def predictions(self, part):
        return 60


def drive(learning, reward):
    """Let a strategy learn from a function of genotypes, and return its rows."""
    rewards = None
    while True:
        try:
            genotypes = learning.send(rewards)
        except StopIteration as end:
            return end.value
        rewards = [reward(genotype) for genotype in genotypes]


class Altered:
    """A task in which a function changes the training losses of certain steps."""

    def __init__(self, task, at, change):
        self._task, self._at, self._change, self._calls = task, at, change, count()

    def __getattr__(self, name):
        return getattr(self._task, name)

    def children(self, weights, children):
        made = self._task.children(weights, children)
        gradients = made.gradients

        def altered(*given):
            losses, found = gradients(*given)
            changed = self._change(losses) if next(self._calls) in self._at else losses
            return changed, found

        made.gradients = altered
        return made
