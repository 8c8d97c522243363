"""The shared model of convolutional cells, compared with a plain one written layer by layer."""

import pytest
import torch
import torch.nn.functional as F

from wpl.fisher.estimate import diagonal_fisher
from wpl_lab.search.protocol import draw
from wpl_lab.search.spaces.classification import Classifier
from wpl_lab.search.spaces.convolutional import ConvolutionalGenotype, ConvolutionalSpace
from wpl_lab.search.spaces.convolutional_model import (
    ConvolutionalNetwork,
    initial_weights,
    layout,
    used_weights,
)
from wpl_lab.search.spaces.convolutional_pass import Pass
from wpl_lab.search.spaces.network import side_by_side
from wpl_lab.search.spaces.normalisation import Norm
from wpl_lab.seeding import generator

SPACE = ConvolutionalSpace(2, alike=False)


class Model:
    """The weights of one run in double precision, and passes with them."""

    def __init__(self, *, dropout=0.0, drop_path=0.0, stages=2, stacked=1, repeats=1):
        self.layout = layout(
            stages=stages, stacked=stacked, repeats=repeats, dropout=dropout, drop_path=drop_path
        )
        made = initial_weights(self.layout, 2, 4, nodes=2, width=3, generator=generator(0))
        self.weights = {name: weight.double() for name, weight in made.items()}

    def __call__(self, x, genotype, statistics=None, *, random=None, weights=None):
        laid = side_by_side({n: w[None] for n, w in (weights or self.weights).items()})
        norm = Norm(statistics)
        (logits,) = Pass(self.layout, laid, norm, [random] if random else None)(x, genotype)
        return logits

    def measure(self, x, genotype):
        norm = Norm(keep=True)
        laid = side_by_side({name: weight[None] for name, weight in self.weights.items()})
        Pass(self.layout, laid, norm)(x, genotype)
        return norm.kept


def images(count=6, size=8):
    return torch.randn(count, 2, size, size, generator=generator(1), dtype=torch.float64)


def norm(x):
    mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), correction=0, keepdim=True)
    return (x - mean) / (variance + 1e-5).sqrt()


def plainly(shared, x, genotype):
    """Compute the output in training without dropout: the oracle."""
    p = shared.weights

    def branch(cell, node, state, operation, x):
        if operation == "identity":
            return x
        if operation == "avg3":
            ones = torch.ones_like(x)
            kernel = torch.ones(x.shape[1], 1, 3, 3, dtype=x.dtype)
            pooled, count = (F.conv2d(t, kernel, padding=1, groups=x.shape[1]) for t in (x, ones))
            return pooled / count
        if operation == "max3":
            padded = F.pad(x, [1] * 4, value=-torch.inf)
            return padded.unfold(2, 3, 1).unfold(3, 3, 1).amax((4, 5))
        size = int(operation[-1])
        for i in range(shared.layout.repeats):
            edge = f"edge.{cell}_{node}_{state}_{operation}_{i}"
            depth = p[f"{edge}_depth"]
            columns = F.pad(x.relu(), [size // 2] * 4).unfold(2, size, 1).unfold(3, size, 1)
            x = (columns * depth[:, 0, None, None]).sum((4, 5))
            x = norm(torch.einsum("oc,nchw->nohw", p[f"{edge}_point"][:, :, 0, 0], x))
        return x

    def mix(weight, x):
        return torch.einsum("oc,nchw->nohw", weight[:, :, 0, 0], x.relu())

    x = norm(F.conv2d(x, p["stem"], padding=1))
    before, last = x, x
    for number, reduces in enumerate(shared.layout.reduces):
        cell = genotype.reduction if reduces else genotype.normal
        size = last.shape[-1] // (2 if reduces else 1)
        states = []
        for i, given in enumerate((before, last)):
            s = given
            while s.shape[-1] > size:
                s = (
                    s[..., ::2, ::2] + s[..., 1::2, ::2] + s[..., ::2, 1::2] + s[..., 1::2, 1::2]
                ) / 4
            states.append(norm(mix(p[f"squeeze.{number}_{i}"], s)))
        for node, branches in enumerate(cell, start=2):
            states.append(sum(branch(number, node, s, o, states[s]) for s, o in branches))
        used = {s for node in cell for s, _ in node}
        ends = [i for i in range(len(states)) if i not in used]
        out = norm(sum(mix(p[f"end.{number}_{i}"], states[i]) for i in ends))
        before, last = last, out
    return last.relu().mean((2, 3)) @ p["classifier"].T + p["bias"]


@pytest.mark.parametrize(
    "settings", [{}, {"repeats": 2}, {"stages": 3, "stacked": 0}, {"stacked": 2}]
)
@pytest.mark.parametrize("seed", range(4))
def test_it_computes_the_plain_model(settings, seed):
    shared, genotype = Model(**settings), draw(SPACE, generator(seed))
    x = images()
    assert torch.allclose(shared(x, genotype), plainly(shared, x, genotype), atol=1e-10)


@pytest.mark.parametrize("seed", range(6))
def test_used_weights_are_those_with_a_gradient(seed):
    shared, genotype = Model(), draw(SPACE, generator(seed))
    leaves = {name: w.clone().requires_grad_() for name, w in shared.weights.items()}
    shared(images(), genotype, weights=leaves).square().sum().backward()
    used = used_weights(shared.layout, genotype)
    assert len(used) == len(set(used))
    assert set(used) == {name for name, leaf in leaves.items() if leaf.grad is not None}


def test_measured_statistics_are_the_statistics_of_the_batch():
    """On the batch with which they are measured, predictions equal those in training."""
    shared, genotype = Model(), draw(SPACE, generator(3))
    x = images()
    statistics = shared.measure(x, genotype)
    together = shared(x, genotype, statistics)
    assert torch.allclose(together, shared(x, genotype), atol=1e-10)
    assert torch.allclose(together[:1], shared(x[:1], genotype, statistics), atol=1e-10)
    assert not torch.allclose(together[:1], shared(x[:1], genotype), atol=1e-3)


def test_dropout_is_used_in_training_only_and_preserves_the_mean():
    genotype = ConvolutionalGenotype.parse(
        "0:sep3+1:max3 2:avg3+1:sep5 / 0:sep3+1:max3 2:avg3+1:sep5"
    )
    for settings in ({"dropout": 0.5}, {"drop_path": 0.5}):
        shared = Model(**settings)
        x = images()
        dropped = shared(x, genotype, random=generator(0))
        assert not torch.allclose(dropped, plainly(shared, x, genotype), atol=1e-3)
        assert torch.equal(dropped, shared(x, genotype, random=generator(0)))
        assert torch.allclose(shared(x, genotype), plainly(shared, x, genotype))
    shared = Model(dropout=0.5)
    draws = torch.stack([shared(x, genotype, random=generator(s)) for s in range(2000)])
    expected = plainly(shared, x, genotype)
    assert torch.allclose(draws.mean(0), expected, atol=5 * (draws.std() / 2000**0.5).item())


@pytest.mark.parametrize(
    "genotype",
    [
        "0:sep3+1:sep5 2:max3+2:avg3 / 1:identity+1:identity 2:sep3+0:sep3",
        "0:sep3+0:sep3 2:sep5+2:sep5 / 0:sep3+0:sep3 2:sep5+2:sep5",
    ],
)
def test_its_fisher_information_equals_that_of_a_loop(genotype):
    """This includes nodes whose branches use the same weight."""
    shared, genotype = Model(), ConvolutionalGenotype.parse(genotype)
    x, y = images(), torch.tensor([0, 1, 2, 3, 0, 1])
    own = {name: shared.weights[name] for name in used_weights(shared.layout, genotype)}
    network = ConvolutionalNetwork(
        shared.layout, nodes=2, alike=False, operations=SPACE.operations, width=3
    )
    child = Classifier(network, own, genotype, shared.measure(x, genotype))
    fisher = diagonal_fisher(child, [(x, y)])
    names, parameters = zip(*child.named_parameters(), strict=True)
    assert {name.replace("/", ".") for name in names} == set(own)
    squares = [torch.zeros_like(p) for p in parameters]
    for i in range(len(x)):
        loss = F.cross_entropy(child(x[i : i + 1]), y[i : i + 1])
        gradients = torch.autograd.grad(loss, parameters)
        squares = [s + g**2 / len(x) for s, g in zip(squares, gradients, strict=True)]
    for name, expected in zip(names, squares, strict=True):
        assert torch.allclose(fisher[name], expected, rtol=1e-8, atol=1e-14), name
