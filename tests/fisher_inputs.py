"""Common kinds of batches, each with a function that computes the losses of its samples."""

from types import MappingProxyType, SimpleNamespace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

CLASSES, WIDTH, TIME, WORDS, SAMPLES = 3, 5, 4, 7, 6


class Case(NamedTuple):
    model: nn.Module
    batches: object
    losses: object  # −log p of each sample that counts
    settings: dict = MappingProxyType({})


class Calls(nn.Module):
    """A model of two layers, which a given function calls with the model's arguments."""

    def __init__(self, forward, width=WIDTH, classes=CLASSES):
        super().__init__()
        self.body, self.head = nn.Linear(width, 4), nn.Linear(4, classes)
        self._forward = forward
        self.double()

    def logits(self, x):
        return self.head(torch.tanh(self.body(x)))

    def forward(self, *args, **kwargs):
        return self._forward(self.logits, *args, **kwargs)


def plain(**sizes):
    return Calls(lambda logits, x: logits(x), **sizes)


def x(samples=SAMPLES, *, seed=0, width=WIDTH):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(samples, width, generator=generator, dtype=torch.float64)


def steps(samples=SAMPLES, time=TIME):
    """Return inputs with a time dimension."""
    return x(samples * time).reshape(samples, time, WIDTH)


def y(*shape, classes=CLASSES, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(classes, shape or (SAMPLES,), generator=generator)


def hidden(targets, *, seed=2, value=-100):
    """Mask some targets, and all targets of the third sample."""
    generator = torch.Generator().manual_seed(seed)
    some = torch.rand(targets.shape, generator=generator) < 0.4
    some[2] = True
    some[0] = False
    return targets.masked_fill(some, value)


def entropy(model, x, y, **how):
    """Compute the cross-entropy of each sample from logits with the classes last."""
    return [
        F.cross_entropy(model.logits(a[None]).flatten(0, -2), b.flatten(), reduction="sum", **how)
        for a, b in zip(x, y, strict=True)
        if (b != how.get("ignore_index", -100)).any()
    ]


def classified(forward, batch, *, labels=None, **settings):
    """Make a case of a classifier of ``x()``."""
    model = Calls(forward)
    labels = y() if labels is None else labels
    return Case(model, batch, entropy(model, x(), labels), settings)


def structures():
    a, b = x(), x(seed=5)
    both = lambda logits, p, q: logits(p + q)  # noqa: E731
    one = lambda logits, p: logits(p)  # noqa: E731
    halves = [(a[:4], y()[:4]), (a[4:], y()[4:])]
    yield "a pair", classified(one, [(a, y())])
    yield "a pair in a list", classified(one, [[a, y()]])
    yield "a data loader", classified(one, DataLoader(TensorDataset(a, y()), batch_size=4))
    yield "a generator", classified(one, (pair for pair in halves))
    yield "a batch of one", classified(one, [(a[:1], y()[:1]), (a[1:], y()[1:])])
    yield "an empty batch", classified(one, [(a[:0], y()[:0]), *halves])
    yield "two inputs", classified(both, [(a - b, b, y())])
    yield (
        "three inputs",
        classified(
            lambda logits, p, q, r: logits(p + q * r), [(a - b, b, torch.ones_like(b), y())]
        ),
    )
    yield "inputs in a dictionary", classified(both, [({"p": a - b, "q": b}, y())])
    yield "inputs in a list", classified(lambda logits, p: logits(p[0] + p[1]), [([a - b, b], y())])
    yield (
        "a dictionary with labels",
        classified(lambda logits, p, labels: logits(p), [{"p": a, "labels": y()}]),
    )
    yield "bytes as targets", classified(one, [(a, y().to(torch.uint8))])
    yield "truth values", classified(one, [(a, y() > 0)], labels=(y() > 0).long())
    yield "a tuple", classified(lambda logits, p: (logits(p), p), [(a, y())])
    yield (
        "a loss, then logits",
        classified(lambda logits, p: (p.sum(), logits(p)), [(a, y())]),
    )
    yield (
        "an object with logits",
        classified(lambda logits, p: SimpleNamespace(logits=logits(p)), [(a, y())]),
    )
    yield "a dictionary", classified(lambda logits, p: {"aux": p, "out": logits(p)}, [(a, y())])


def masks():
    model = plain()
    labels = hidden(y(SAMPLES, TIME))
    losses = entropy(model, steps(), labels)
    yield "hidden samples", Case(model, [(x(), hidden(y()))], entropy(model, x(), hidden(y())))
    yield "hidden positions", Case(model, [(steps(), labels)], losses)
    counts = [(b != -100).sum() for b in labels if (b != -100).any()]
    means = [loss / count for loss, count in zip(losses, counts, strict=True)]
    yield "a mean over tokens", Case(model, [(steps(), labels)], means, {"per": "token"})
    padded = labels.masked_fill(labels == -100, 0)
    how = {"ignore_index": 0}
    if (padded != 0).any():
        yield (
            "padding of 0",
            Case(model, [(steps(), padded)], entropy(model, steps(), padded, **how), how),
        )
    image = x(SAMPLES * 6).reshape(SAMPLES, 2, 3, WIDTH)
    regions = hidden(y(SAMPLES, 2, 3))
    second = Calls(lambda logits, p: logits(p).movedim(-1, 1))
    losses = entropy(second, image, regions)
    yield "segmentation", Case(second, [(image, regions)], losses)
    yield (
        "segmentation, classes last",
        Case(model, [(image, regions)], entropy(model, image, regions)),
    )
    yield "classes second", Case(second, [(steps(), labels)], entropy(second, steps(), labels))
    square, labels = steps(time=CLASSES), y(SAMPLES, CLASSES)
    losses = entropy(model, square, labels)
    yield "classes said to be last", Case(model, [(square, labels)], losses, {"class_dim": -1})
    losses = entropy(second, square, labels)
    yield "classes said to be second", Case(second, [(square, labels)], losses, {"class_dim": 1})


def likelihoods():
    labels = y(SAMPLES, CLASSES, classes=2)
    several, one = plain(), plain(classes=1)
    binary = F.binary_cross_entropy_with_logits
    how = {"likelihood": "bernoulli"}

    def each(model, loss, targets):
        return [
            loss(model.logits(a), b, reduction="sum") for a, b in zip(x(), targets, strict=True)
        ]

    losses = each(several, binary, labels.double())
    yield "several labels", Case(several, [(x(), labels.double())], losses, how)
    yield "several truth values", Case(several, [(x(), labels.bool())], losses, how)
    means = [loss / CLASSES for loss in losses]
    yield "a mean over labels", Case(several, [(x(), labels)], means, how | {"per": "token"})
    soft = torch.rand(SAMPLES, CLASSES).double()
    yield "soft labels", Case(several, [(x(), soft)], each(several, binary, soft), how)
    losses = each(one, binary, labels[:, :1].double())
    yield "one logit", Case(one, [(x(), labels[:, :1])], losses, how)
    yield "one logit, a flat target", Case(one, [(x(), labels[:, 0])], losses, how)
    flat = Calls(lambda logits, p: logits(p).squeeze(-1), classes=1)
    losses = each(flat, binary, labels[:, :1].double())
    yield "flat logits", Case(flat, [(x(), labels[:, 0])], losses, how)
    some = hidden(labels.double())
    losses = [
        binary(several.logits(a)[b != -100], b[b != -100], reduction="sum")
        for a, b in zip(x(), some, strict=True)
        if (b != -100).any()
    ]
    yield "hidden labels", Case(several, [(x(), some)], losses, how)
    how = {"likelihood": "gaussian"}
    half = lambda a, b, reduction: F.mse_loss(a, b, reduction=reduction) / 2  # noqa: E731
    values = torch.randn(SAMPLES, CLASSES).double()
    yield "several values", Case(several, [(x(), values)], each(several, half, values), how)
    losses = each(one, half, values[:, :1])
    yield "one value, a flat target", Case(one, [(x(), values[:, 0])], losses, how)
    images = steps().reshape(SAMPLES, 1, TIME, WIDTH)
    painted = torch.randn(SAMPLES, 1, TIME, CLASSES).double()
    losses = [half(several.logits(a), b, "sum") for a, b in zip(images, painted, strict=True)]
    yield "an image of values", Case(several, [(images, painted)], losses, how)


def own_losses():
    model, labels = plain(), y()
    weight = torch.tensor([0.2, 1.0, 3.0]).double()

    def case(loss, batch, model=model):
        losses = []
        for n in range(SAMPLES):
            alone = tuple(part[n : n + 1] for part in batch)
            losses.append(loss(model(*alone[:-1]), alone).sum())
        return Case(model, [batch], losses, {"loss": loss})

    yield (
        "label smoothing",
        case(lambda o, b: F.cross_entropy(o, b[1], label_smoothing=0.1), (x(), labels)),
    )
    yield (
        "class weights",
        case(lambda o, b: F.cross_entropy(o, b[1], weight, reduction="none"), (x(), labels)),
    )
    soft = torch.rand(SAMPLES, CLASSES).double().softmax(-1)
    yield "soft classes", case(lambda o, b: F.cross_entropy(o, b[1]), (x(), soft))
    denoise = Calls(lambda logits, p, noise, level: logits(p + level * noise), classes=WIDTH)
    level, noise = torch.rand(SAMPLES, 1).double(), x(seed=7)
    yield (
        "diffusion",
        case(
            lambda o, b: (o - b[1]).square().mean(1),
            (x(), noise, level, torch.zeros(SAMPLES)),
            denoise,
        ),
    )
    views = x(SAMPLES * 2).reshape(SAMPLES, 2, WIDTH)
    yield (
        "contrastive within a sample",
        case(
            lambda o, b: 1 - F.cosine_similarity(o[:, 0], o[:, 1]),
            (views, torch.zeros(SAMPLES)),
        ),
    )
    sums = case(lambda o, b: o.square().sum(-1), (x(), labels))
    yield "a loss without targets", sums._replace(batches=[x()])


class TimeFirst(nn.Module):
    """A language model in torch's default layout, time first, with or without a transpose."""

    def __init__(self, *, turned):
        super().__init__()
        self.embedding, self.lstm = nn.Embedding(WORDS, 4), nn.LSTM(4, 4)
        self.head = nn.Linear(4, WORDS)
        self.turned = turned
        self.double()

    def logits(self, words):
        return self(words)

    def forward(self, words):
        h = self.embedding(words)
        h = self.lstm(h.transpose(0, 1))[0].transpose(0, 1) if self.turned else self.lstm(h)[0]
        return self.head(h)


def sequences():
    model = TimeFirst(turned=True)
    words = y(SAMPLES, TIME + 1, classes=WORDS)
    losses = entropy(model, words[:, :-1], words[:, 1:])
    yield "a layer that takes time first", Case(model, [(words[:, :-1], words[:, 1:])], losses)


class Embedded(nn.Module):
    """A table whose gradient torch would make sparse, between other layers."""

    def __init__(self, table):
        super().__init__()
        self.table, self.head = table, nn.Linear(WIDTH, CLASSES)
        self.double()

    def logits(self, words):
        return self(words)

    def forward(self, words):
        return self.head(self.table(words).tanh())


def embeddings():
    words, pairs = y(SAMPLES, TIME, classes=WORDS), y(SAMPLES, TIME)
    for sparse in (False, True):
        kind = "sparse" if sparse else "dense"
        model = Embedded(nn.Embedding(WORDS, WIDTH, sparse=sparse))
        losses = entropy(model, words, pairs)
        yield f"an embedding, {kind}", Case(model, [(words, pairs)], losses)
        model = Embedded(nn.EmbeddingBag(WORDS, WIDTH, sparse=sparse))
        yield f"a bag of words, {kind}", Case(model, [(words, y())], entropy(model, words, y()))


ACCEPTED = {}
for table in (structures, masks, likelihoods, own_losses, sequences, embeddings):
    torch.manual_seed(0)
    ACCEPTED |= dict(table())
