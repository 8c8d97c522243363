"""The space of NAS-Bench-201, and its network compared with a plain one."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from tiny_nasbench201 import tiny_task

from wpl_lab.search.protocol import draw, ranked
from wpl_lab.search.spaces.nasbench201 import EDGES, Nasbench201Space
from wpl_lab.search.spaces.nasbench201_network import KERNELS, Layout, Nasbench201Network
from wpl_lab.search.spaces.network import side_by_side
from wpl_lab.search.spaces.normalisation import Norm
from wpl_lab.seeding import generator

SPACE = Nasbench201Space()


def stacked(task, seeds=(0,)):
    each = [task.weights(seed) for seed in seeds]
    return {name: torch.stack([of[name] for of in each]) for name in each[0]}


def test_a_genotype_has_the_notation_of_the_benchmark():
    genotype = SPACE.parse("301204")
    assert str(genotype) == (
        "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|nor_conv_1x1~0|none~1|avg_pool_3x3~2|"
    )
    assert genotype.on[(1, 2)] == "skip_connect"
    assert SPACE.parse(str(genotype)) == genotype
    assert genotype.digits == "301204"


@pytest.mark.parametrize("text", ["30120", "301205", "|none~0|", "|none~0|+|none~1|none~0|+|x|"])
def test_an_invalid_genotype_is_named(text):
    with pytest.raises(ValueError, match="is not a cell of NAS-Bench-201") as error:
        SPACE.parse(text)
    assert repr(text) in str(error.value)


def test_an_operation_of_another_space_is_named():
    with pytest.raises(ValueError, match="expected operations none, skip_connect; '000003' has"):
        Nasbench201Space(["none", "skip_connect"]).parse("000003")


def test_the_space_has_every_architecture_once():
    cells = list(SPACE.cells())
    assert len(set(cells)) == len(cells) == SPACE.size == 5**6
    assert SPACE.decode([3, 0, 1, 2, 0, 4]).digits == "301204"


def test_the_ranked_architectures_are_distinct_and_reproducible():
    some = ranked(SPACE, 40)
    assert len(set(some)) == 40
    assert some == ranked(SPACE, 40)
    assert ranked(Nasbench201Space(["none", "skip_connect"]), 64) == list(
        Nasbench201Space(["none", "skip_connect"]).cells()
    )


def ways(genotype):
    """List the edges on paths from input to output, by enumerating all paths."""
    found = set()
    for nodes in ((0, 3), (0, 1, 3), (0, 2, 3), (0, 1, 2, 3)):
        edges = set(itertools.pairwise(nodes))
        if all(genotype.on[edge] != "none" for edge in edges):
            found |= edges
    return tuple(edge for edge in EDGES if edge in found)


def test_edges_that_are_not_on_a_path_are_left_out():
    small = Nasbench201Space(["none", "skip_connect"])
    assert all(genotype.edges == ways(genotype) for genotype in small.cells())


def norm(x):
    mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), correction=0, keepdim=True)
    return (x - mean) / (variance + 1e-5).sqrt()


def plainly(layout, p, x, genotype):
    """Compute the output in training, operation by operation and node by node."""

    def convolved(x, name, stride=1):
        return norm(F.conv2d(F.relu(x), p[name], stride=stride, padding=p[name].shape[-1] // 2))

    x = norm(F.conv2d(x, p["stem"], padding=1))
    for stage in range(layout.stages):
        if stage:
            name = f"reduction.{stage}"
            short = F.conv2d(F.avg_pool2d(x, 2, ceil_mode=True), p[f"{name}_skip"])
            x = short + convolved(convolved(x, f"{name}_a", stride=2), f"{name}_b")
        for cell in range(layout.stacked):
            nodes = [x]
            for node in (1, 2, 3):
                total = torch.zeros_like(x)
                for source in range(node):
                    operation = genotype.on[(source, node)]
                    if operation in KERNELS:
                        name = f"edge.{stage}_{cell}_{source}_{node}_{operation}"
                        total = total + convolved(nodes[source], name)
                    elif operation == "avg_pool_3x3":
                        ones = torch.ones(x.shape[1], 1, 3, 3, dtype=x.dtype)
                        sums = F.conv2d(nodes[source], ones, padding=1, groups=x.shape[1])
                        of = F.conv2d(torch.ones_like(x), ones, padding=1, groups=x.shape[1])
                        total = total + sums / of
                    elif operation == "skip_connect":
                        total = total + nodes[source]
                nodes.append(total)
            x = nodes[3]
    return F.linear(F.relu(norm(x)).mean((2, 3)), p["classifier"], p["bias"])


@pytest.mark.parametrize("digits", ["333333", "123410", "013204", "000100", "300000", "000000"])
def test_the_network_equals_the_plain_one(digits):
    layout = Layout(width=3, stages=3, stacked=2, dropout=0.0, drop_path=0.0)
    network, genotype = Nasbench201Network(layout, SPACE), SPACE.parse(digits)
    made = network.initial_weights(2, 4, generator=generator(0))
    weights = {name: weight.double() for name, weight in made.items()}
    x = torch.randn(6, 2, 9, 9, generator=generator(1), dtype=torch.float64)
    own = {name: weights[name][None] for name in network.used(genotype)}
    (logits,) = network.logits(side_by_side(own), x, genotype, Norm())
    torch.testing.assert_close(logits, plainly(layout, weights, x, genotype))


def test_every_used_weight_has_a_gradient_and_no_other():
    task = tiny_task()
    inputs, targets = next(task.batches(0, [0]))
    random = generator(3)
    for genotype in [SPACE.parse("000000"), *(draw(SPACE, random) for _ in range(8))]:
        children = task.children(stacked(task), [(0, genotype)])
        _, gradients = children.gradients(inputs, targets, [random])
        assert set(gradients) == set(task.used(genotype))
        if genotype.edges:
            assert all(gradient.abs().sum() > 0 for gradient in gradients.values())


def test_runs_side_by_side_equal_each_alone():
    task = tiny_task()
    weights, cells = stacked(task, (0, 1)), [SPACE.parse("313304"), SPACE.parse("120334")]
    lanes = [(run, cell) for cell in cells for run in range(2)]
    inputs, targets = next(task.batches(0, [0, 1]))
    randoms = [generator(0), generator(1)]
    losses, _ = task.children(weights, lanes).gradients(inputs, targets, randoms)
    scores = task.children(weights, lanes).scores("select")
    for number, (run, cell) in enumerate(lanes):
        alone = task.children(weights, [(run, cell)])
        (loss,), _ = alone.gradients(inputs, targets, randoms)
        torch.testing.assert_close(loss, losses[number])
        assert alone.scores("select")[0].nats == pytest.approx(scores[number].nats, rel=1e-5)


@pytest.mark.parametrize("digits", ["313304", "012340", "000000"])
def test_the_fisher_information_is_per_image(digits):
    task, genotype = tiny_task(), SPACE.parse(digits)
    weights = stacked(task)
    inputs, targets = task.sample([generator(0)])
    children = task.children(weights, [(0, genotype)])
    fisher = children.fisher(inputs, targets, kind="empirical", randoms=[generator(1)])
    own = {name: weights[name].clone().requires_grad_() for name in task.used(genotype)}
    statistics = children._measured(genotype, {n: w.detach() for n, w in own.items()})
    squares = dict.fromkeys(own, 0)
    for x, y in zip(inputs[0], targets[0], strict=True):
        (logits,) = task.network.logits(side_by_side(own), x[None], genotype, Norm(statistics))
        found = torch.autograd.grad(F.cross_entropy(logits, y[None]), list(own.values()))
        squares = {n: squares[n] + g**2 / len(targets[0]) for n, g in zip(own, found, strict=True)}
    for name, square in squares.items():
        torch.testing.assert_close(fisher[name], square, rtol=1e-3, atol=1e-7)


def test_dropout_and_drop_path_are_used_in_training_only():
    task = tiny_task(dropout=0.5, drop_path=0.5)
    inputs, targets = next(task.batches(0, [0]))
    children = task.children(stacked(task), [(0, SPACE.parse("333333"))])
    losses = {float(children.gradients(inputs, targets, [generator(seed)])[0]) for seed in range(5)}
    assert len(losses) == 5
    assert children.scores("test") == children.scores("test")
