"""The space of recurrent cells, and a cell run over time against one written with plain loops."""

import itertools
import math
from dataclasses import FrozenInstanceError

import pytest
import torch

from wpl_lab.search.protocol import draw
from wpl_lab.search.spaces.recurrence import LARGEST_NORM, fused, unrolled
from wpl_lab.search.spaces.recurrent import ACTIVATIONS, RecurrentGenotype, RecurrentSpace
from wpl_lab.seeding import generator

TIME, BATCH, HIDDEN = 4, 3, 5
SMALL = [str(cell) for cell in RecurrentSpace(2).cells()]
LARGE = [
    "0:tanh 0:relu 0:sigmoid 0:identity",  # all but node 0 are loose
    "0:relu 1:tanh 2:identity 3:sigmoid",  # a chain
    "0:sigmoid 0:tanh 1:tanh 1:relu",
    "0:identity 1:identity 1:sigmoid 3:tanh",
]


def test_a_genotype_prints_parses_and_hashes():
    cell = RecurrentGenotype(((0, "tanh"), (1, "relu"), (0, "identity")))
    assert str(cell) == "0:tanh 1:relu 0:identity"
    assert RecurrentGenotype.parse(str(cell)) == cell
    assert len({cell, RecurrentGenotype.parse(" 0:tanh  1:relu 0:identity ")}) == 1
    with pytest.raises(FrozenInstanceError):
        cell.nodes = ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "at least one node"),
        ("1:tanh", "the predecessor of node 1 must be one of 0 to 0; got 1"),
        ("0:tanh 2:relu", "the predecessor of node 2 must be one of 0 to 1; got 2"),
        ("0:tanh 1:swish", "the activation of node 2 must be one of tanh, .*; got 'swish'"),
        ("0:tanh 1", "the activation of node 2 must be one of .*; got ''"),
        ("tanh", "'tanh' is not a recurrent cell like '0:tanh 1:relu'"),
        ("0:tanh -1:relu", "'0:tanh -1:relu' is not a recurrent cell"),
    ],
)
def test_what_is_no_cell_is_refused_by_name(text, message):
    with pytest.raises(ValueError, match=message):
        RecurrentGenotype.parse(text)


def test_a_cell_of_another_space_is_refused():
    space = RecurrentSpace(3)
    assert space.parse("0:tanh 1:relu 2:tanh").nodes[2] == (2, "tanh")
    with pytest.raises(ValueError, match="expected 3 nodes; '0:tanh 1:relu' has 2"):
        space.parse("0:tanh 1:relu")


@pytest.mark.parametrize(("nodes", "size"), [(1, 4), (2, 32), (3, 384), (4, 6144)])
def test_the_space_enumerates_its_cells(nodes, size):
    """4 activations for each node, and i predecessors for node i."""
    space = RecurrentSpace(nodes)
    cells = list(space.cells())
    assert space.size == len(cells) == len(set(cells)) == size
    assert cells == list(space.cells()), "in one order"
    assert {len(cell.nodes) for cell in cells} == {nodes}


def test_a_decision_is_about_one_thing():
    """Each pair of choices that differs in one decision differs in one property of one node."""
    space = RecurrentSpace(3)
    assert len(space.options) == len(space.roles) == 5
    choices = list(itertools.product(*map(range, space.options)))
    for i, role in enumerate(space.roles):
        for some in choices[::7]:
            other = list(some)
            other[i] = (other[i] + 1) % space.options[i]
            pairs = zip(space.decode(some).nodes, space.decode(other).nodes, strict=True)
            changed = [
                (node, what)
                for node, (a, b) in enumerate(pairs, start=1)
                for what, x, y in zip(("predecessor", "activation"), a, b, strict=True)
                if x != y
            ]
            assert changed == [((i + 1) // 2 + 1, role)]


def test_a_role_has_the_choices_of_its_node():
    space = RecurrentSpace(12)
    by_role = {
        r: [n for n, x in zip(space.options, space.roles, strict=True) if x == r]
        for r in space.roles
    }
    assert by_role == {"activation": [4] * 12, "predecessor": list(range(2, 13))}


def test_cells_are_drawn_evenly():
    space = RecurrentSpace(2)
    random = generator(0)
    drawn = [draw(space, random) for _ in range(3200)]
    counts = [drawn.count(cell) for cell in space.cells()]
    assert sum(counts) == 3200
    assert max(abs(n - 100) for n in counts) < 4 * math.sqrt(100 * 31 / 32)


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("0:tanh", (1,)),
        ("0:tanh 0:relu", (1, 2)),
        ("0:tanh 1:relu", (2,)),
        ("0:tanh 1:relu 1:relu 2:relu", (3, 4)),
    ],
)
def test_loose_ends_are_the_nodes_that_no_other_uses(text, ends):
    assert RecurrentGenotype.parse(text).loose_ends == ends


def plain(inputs, state, genotype, weights, paths=None):
    """The cell as one would explain it: a row of the batch, a time step and a node at a time."""
    functions = {
        "tanh": torch.tanh,
        "relu": lambda z: z * (z > 0),
        "sigmoid": lambda z: 1 / (1 + (-z).exp()),
        "identity": lambda z: z,
    }
    hidden, rows = state.shape[1], []
    for b in range(len(state)):
        h, row = state[b], []
        for x in inputs[:, b]:
            z = weights[0] @ h + x
            gate = 1 / (1 + (-z[:hidden]).exp())
            outputs = [gate * z[hidden:].tanh() + (1 - gate) * h]
            loose = {0}
            for i, (source, activation) in enumerate(genotype.nodes, start=1):
                s = outputs[source]
                z = weights[i] @ s
                gate = 1 / (1 + (-z[:hidden]).exp())
                if paths is not None:
                    gate = gate * paths[i - 1, b]
                outputs.append(gate * functions[activation](z[hidden:]) + (1 - gate) * s)
                loose = (loose - {source}) | {i}
            h = sum(outputs[i] for i in loose) / len(loose)
            norm = math.sqrt(h.square().sum().item())
            row.append(h * min(1.0, LARGEST_NORM / norm))
            h = row[-1]
        rows.append(torch.stack(row))
    return torch.stack(rows, 1)


def arguments(text, *, dropped, scale=0.6, seed=0):
    """Random inputs, state, genotype, weights and, if wanted, paths: of double precision."""
    genotype, random = RecurrentGenotype.parse(text), generator(seed, text)

    def normal(*shape):
        return scale * torch.randn(shape, generator=random, dtype=torch.float64)

    nodes = len(genotype.nodes)
    weights = [normal(2 * HIDDEN, HIDDEN) for _ in range(nodes + 1)]
    paths = torch.rand(nodes, BATCH, 1, generator=random) < 0.6 if dropped else None
    return (
        normal(TIME, BATCH, 2 * HIDDEN),
        normal(BATCH, HIDDEN),
        genotype,
        weights,
        None if paths is None else paths.double(),
    )


def value_and_gradients(run, inputs, state, genotype, weights, paths):
    leaves = [t.clone().requires_grad_() for t in (inputs, state, *weights)]
    states = run(leaves[0], leaves[1], genotype, leaves[2:], paths)
    direction = torch.randn(states.shape, generator=generator(7), dtype=states.dtype)
    return [states, *torch.autograd.grad((states * direction).sum(), leaves)]


@pytest.mark.parametrize("run", [unrolled, fused])
@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize("text", [*SMALL[::5], *LARGE])
def test_a_cell_computes_what_the_plain_one_does(run, dropped, text):
    given = arguments(text, dropped=dropped)
    with torch.no_grad():
        torch.testing.assert_close(run(*given), plain(*given), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize("text", [*SMALL, *LARGE])
def test_fused_is_unrolled_in_value_and_every_gradient(dropped, text):
    given = arguments(text, dropped=dropped)
    expected = value_and_gradients(unrolled, *given)
    for found, wanted in zip(value_and_gradients(fused, *given), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("text", ["0:identity", "0:relu 0:identity", LARGE[0], LARGE[3]])
def test_long_hidden_states_are_shortened_alike(text):
    """Some rows at some times; ``torch.renorm`` divides by the norm plus 1e-7."""
    inputs, state, genotype, weights, paths = arguments(text, dropped=False, scale=1.5)
    state = state * torch.tensor([[0.01], [1.0], [30.0]])
    given = (inputs * torch.tensor([[0.1], [1.0], [1.0]]), state, genotype, weights, paths)
    expected = value_and_gradients(unrolled, *given)
    long = torch.linalg.vector_norm(expected[0], dim=2) > LARGEST_NORM - 1e-6
    assert long.any(), "some are shortened"
    assert not long.all(), "and some are not"
    torch.testing.assert_close(expected[0], plain(*given), rtol=1e-11, atol=1e-12)
    for found, wanted in zip(value_and_gradients(fused, *given), expected, strict=True):
        assert (found - wanted).norm() < 1e-6 * wanted.norm()


def test_a_shut_path_hands_its_source_on():
    inputs, state, genotype, weights, _ = arguments("0:relu 1:tanh", dropped=False)
    shut = torch.zeros(2, BATCH, 1, dtype=torch.float64)
    first = RecurrentGenotype.parse("0:relu")
    only_node_0 = unrolled(inputs, state, first, weights[:2], shut[:1])
    for run in (unrolled, fused):
        torch.testing.assert_close(run(inputs, state, genotype, weights, shut), only_node_0)


def test_a_frozen_weight_gets_no_gradient():
    inputs, state, genotype, weights, _ = arguments("0:relu 1:tanh", dropped=False)
    free = weights[1].clone().requires_grad_()
    fused(inputs, state, genotype, [weights[0], free, weights[2]]).sum().backward()
    expected = torch.autograd.grad(
        unrolled(inputs, state, genotype, [weights[0], free, weights[2]]).sum(), free
    )[0]
    torch.testing.assert_close(free.grad, expected)
    assert weights[0].grad is None


def test_a_second_derivative_of_the_fused_cell_is_refused():
    """Its backward pass is not differentiable: better an error than a wrong number."""
    inputs, state, genotype, weights, _ = arguments("0:relu 1:tanh", dropped=False)
    leaf = weights[1].clone().requires_grad_()
    value = fused(inputs, state, genotype, [weights[0], leaf, weights[2]]).square().sum()
    with pytest.raises(RuntimeError):
        torch.autograd.grad(value, leaf, create_graph=True)[0].sum().backward()


def test_the_activations_differ():
    first = [arguments(f"0:{name}", dropped=False) for name in ACTIVATIONS]
    weights = first[0][3]
    values = [unrolled(*first[0][:2], given[2], weights) for given in first]
    for a, b in itertools.combinations(values, 2):
        assert (a - b).abs().max() > 0.01
