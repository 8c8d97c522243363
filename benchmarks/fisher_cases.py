"""Models for benchmarks/fisher.py, each with a batch of random data."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn


def perceptron(width):
    layers = [nn.Linear(784, width), nn.ReLU()]
    for _ in range(3):
        layers += [nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, 10))


def lenet():
    return nn.Sequential(
        nn.Conv2d(3, 6, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def separable(channels, kernel):
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
    )


def pointwise(inputs, channels):
    return nn.Sequential(
        nn.ReLU(), nn.Conv2d(inputs, channels, 1, bias=False), nn.BatchNorm2d(channels)
    )


class Cell(nn.Module):
    """A cell as found by a search: four nodes, each the sum of two operations on earlier states."""

    def __init__(self, first, second, channels):
        super().__init__()
        self.first, self.second = pointwise(first, channels), pointwise(second, channels)
        self.kernels = nn.ModuleList(separable(channels, k) for k in (3, 5, 3, 5, 3))

    def forward(self, a, b):
        a, b = self.first(a), self.second(b)
        k = self.kernels
        c = k[0](a) + k[1](b)
        d = F.max_pool2d(a, 3, 1, 1) + k[2](c)
        e = k[3](b) + c
        f = k[4](d) + F.avg_pool2d(a, 3, 1, 1)
        return torch.cat([c, d, e, f], 1)


class Searched(nn.Module):
    """A network of three cells with pooling layers between them."""

    def __init__(self, channels=20):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 3 * channels, 3, padding=1, bias=False), nn.BatchNorm2d(3 * channels)
        )
        widths = [(3, 3), (3, 4), (4, 4)]
        self.cells = nn.ModuleList(Cell(a * channels, b * channels, channels) for a, b in widths)
        self.head = nn.Linear(4 * channels, 10)

    def forward(self, x):
        a = b = self.stem(x)
        for k, cell in enumerate(self.cells):
            if k:
                a, b = F.max_pool2d(a, 2), F.max_pool2d(b, 2)
            a, b = b, cell(a, b)
        return self.head(F.relu(b).mean((2, 3)))


class LanguageModel(nn.Module):
    """An LSTM language model with a tied decoder."""

    def __init__(self, vocabulary=10_000, width=200):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.lstm = nn.LSTM(width, width, batch_first=True)
        self.decoder = nn.Linear(width, vocabulary)
        self.decoder.weight = self.embedding.weight

    def forward(self, x):
        return self.decoder(self.lstm(self.embedding(x))[0])


class Block(nn.Module):
    """A residual block."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.short = nn.Sequential()
        if stride > 1 or inputs != outputs:
            self.short.append(nn.Conv2d(inputs, outputs, 1, stride, bias=False))
            self.short.append(nn.BatchNorm2d(outputs))
        self.last = nn.ReLU()

    def forward(self, x):
        return self.last(self.body(x) + self.short(x))


def resnet():
    widths, blocks = [64, 64, 64, 128, 128, 256, 256, 512, 512], []
    for inputs, outputs in pairwise(widths):
        blocks.append(Block(inputs, outputs, 1 if inputs == outputs else 2))
    stem = nn.Sequential(nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU())
    return nn.Sequential(stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


def vectors(batch):
    return torch.randn(batch, 784), torch.randint(10, (batch,))


def images(batch):
    return torch.randn(batch, 3, 32, 32), torch.randint(10, (batch,))


def words(batch):
    return torch.randint(10_000, (batch, 35)), torch.randint(10_000, (batch, 35))


CASES = {
    "MLP 4×200, 128": (lambda: perceptron(200), vectors, 128),
    "MLP 4×200, 512": (lambda: perceptron(200), vectors, 512),
    "MLP 4×1024, 128": (lambda: perceptron(1024), vectors, 128),
    "MLP 4×1024, 512": (lambda: perceptron(1024), vectors, 512),
    "LeNet, 128": (lenet, images, 128),
    "searched CNN, 64": (Searched, images, 64),
    "LSTM tied, 20": (LanguageModel, words, 20),
    "LSTM tied, 64": (LanguageModel, words, 64),
    "ResNet-18, 64": (resnet, images, 64),
}


def build(case):
    torch.manual_seed(0)
    make, data, batch = CASES[case]
    model = make()
    x, y = data(batch)
    if batch and x.ndim == 4:
        with torch.no_grad():
            model.train()(x[:16])  # statistics for the batch norms
    return model.eval(), x, y
