"""The space of recurrent cells; cells side by side, compared with a plain cell with loops."""

import itertools
import math
from dataclasses import FrozenInstanceError

import pytest
import torch

from wpl_lab.search.protocol import draw
from wpl_lab.search.spaces.recurrence import LARGEST_NORM, Cells
from wpl_lab.search.spaces.recurrent import ACTIVATIONS, RecurrentGenotype, RecurrentSpace
from wpl_lab.seeding import generator

TIME, BATCH, HIDDEN = 4, 3, 5
SMALL = [str(cell) for cell in RecurrentSpace(2).cells()]
LARGE = [
    "0:tanh 0:relu 0:sigmoid 0:identity",  # all nodes but node 0 are loose ends
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
def test_an_invalid_cell_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        RecurrentGenotype.parse(text)


def test_a_cell_of_another_space_is_refused():
    space = RecurrentSpace(3)
    assert space.parse("0:tanh 1:relu 2:tanh").nodes[2] == (2, "tanh")
    with pytest.raises(ValueError, match="expected 3 nodes; '0:tanh 1:relu' has 2"):
        space.parse("0:tanh 1:relu")


@pytest.mark.parametrize(("nodes", "size"), [(1, 4), (2, 32), (3, 384), (4, 6144)])
def test_the_space_enumerates_its_cells(nodes, size):
    """Each node has 4 activations, and node i has i possible predecessors."""
    space = RecurrentSpace(nodes)
    cells = list(space.cells())
    assert space.size == len(cells) == len(set(cells)) == size
    assert cells == list(space.cells()), "in a fixed order"
    assert {len(cell.nodes) for cell in cells} == {nodes}


def test_a_decision_changes_one_property():
    """Choices that differ in one decision give cells that differ in one property of one node."""
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


def test_cells_are_drawn_uniformly():
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
    """Compute a cell in loops over rows of the batch, time steps and nodes."""
    functions = {
        "tanh": torch.tanh,
        "relu": lambda z: z * (z > 0),
        "sigmoid": torch.sigmoid,
        "identity": lambda z: z,
    }
    hidden, rows = state.shape[1], []
    for b in range(len(state)):
        h, row = state[b], []
        for x in inputs[:, b]:
            z = weights[0] @ h + x
            gate = z[:hidden].sigmoid()
            outputs = [gate * z[hidden:].tanh() + (1 - gate) * h]
            loose = {0}
            for i, (source, activation) in enumerate(genotype.nodes, start=1):
                s = outputs[source]
                z = weights[i] @ s
                gate = z[:hidden].sigmoid()
                if paths is not None:
                    gate = gate * paths[i - 1, b]
                outputs.append(gate * functions[activation](z[hidden:]) + (1 - gate) * s)
                loose = (loose - {source}) | {i}
            h = sum(outputs[i] for i in loose) / len(loose)
            norm = h.square().sum().clamp(min=1e-300).sqrt()
            row.append(h * (LARGEST_NORM / norm).clamp(max=1))
            h = row[-1]
        rows.append(torch.stack(row))
    return torch.stack(rows, 1)


def arguments(text, *, dropped, scale=0.6, seed=0):
    """Draw inputs, state, genotype, weights and, optionally, paths in double precision."""
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


def beside(given):
    """Convert the arguments of several plain cells to those of ``Cells``."""
    inputs, states, genotypes, weights, paths = zip(*given, strict=True)
    return (
        Cells(genotypes),
        torch.stack(inputs, 1).transpose(2, 3),  # (time, cell, 2 hidden, batch)
        torch.stack(states).transpose(1, 2),
        [torch.stack(of_node) for of_node in zip(*weights, strict=True)],
        None if paths[0] is None else torch.stack(paths, 1).transpose(2, 3),
    )


def run_beside(given):
    """Compute hidden states ``(cell, time, batch, hidden)`` and the record of ``forward``."""
    cells, *rest = beside(given)
    trace = cells.forward(*rest)
    return cells, trace, trace.states.permute(1, 0, 3, 2)


def gradients_beside(given, directions):
    """Compute the gradients of the inputs and of the matrix of each node, for each cell."""
    cells, trace, _ = run_beside(given)
    grad = torch.stack(directions, 1).transpose(2, 3)
    products = cells.backward(trace, grad)
    of_inputs = cells.unsorted(0, products[0].transpose(0, 1)).permute(
        0, 1, 3, 2
    )  # (cell, time, batch, 2 hidden)
    of_weights = [
        cells.unsorted(i, torch.einsum("tcob,tchb->coh", grad_z, source))
        for i, (grad_z, source) in enumerate(zip(products, trace.sources, strict=True))
    ]
    return [[of_inputs[c], *(w[c] for w in of_weights)] for c in range(len(given))]


@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize("texts", [SMALL, LARGE, SMALL[7:8]])
def test_cells_side_by_side_equal_plain_cells(texts, dropped):
    given = [arguments(text, dropped=dropped) for text in texts]
    _, _, states = run_beside(given)
    for found, one in zip(states, given, strict=True):
        torch.testing.assert_close(found, plain(*one), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("scale", [0.6, 1.5])
@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize("texts", [SMALL, LARGE])
def test_the_gradients_equal_those_of_autograd_through_the_plain_cell(texts, dropped, scale):
    """At the larger scale, some of the hidden states are scaled down to the largest norm."""
    given = [arguments(text, dropped=dropped, scale=scale) for text in texts]
    if scale > 1:
        far = torch.tensor([[0.01], [1.0], [30.0]])
        given = [(inputs, state * far, *rest) for inputs, state, *rest in given]
    random = generator(1)
    directions = [
        torch.randn(TIME, BATCH, HIDDEN, generator=random, dtype=torch.float64) for _ in given
    ]
    scaled = []
    for found, one, direction in zip(
        gradients_beside(given, directions), given, directions, strict=True
    ):
        leaves = [t.clone().requires_grad_() for t in (one[0], *one[3])]
        states = plain(leaves[0], one[1], one[2], leaves[1:], one[4])
        expected = torch.autograd.grad((states * direction).sum(), leaves)
        norms = torch.linalg.vector_norm(states.detach(), dim=2)
        scaled.append((norms > LARGEST_NORM - 1e-9).double().mean().item())
        for mine, true in zip(found, expected, strict=True):
            torch.testing.assert_close(mine, true, rtol=1e-7, atol=1e-9)
    assert (max(scaled) > 0) == (scale > 1)
    assert max(scaled) < 1


def test_states_computed_without_gradients_are_the_same():
    cells, *rest = beside([arguments(text, dropped=True) for text in LARGE])
    assert torch.equal(cells.forward(*rest, keep=False).states, cells.forward(*rest).states)


@pytest.mark.parametrize(("hidden", "batch"), [(16, 16), (32, 16), (16, 200)])
def test_the_bits_of_a_cell_do_not_depend_on_the_other_cells(hidden, batch):
    random = generator(0)
    texts = ["0:tanh 1:relu", "0:sigmoid 0:identity", "0:relu 0:tanh", *SMALL[::3]]
    given = [
        (
            torch.randn(TIME, batch, 2 * hidden, generator=random),
            torch.randn(batch, hidden, generator=random),
            RecurrentGenotype.parse(text),
            [torch.randn(2 * hidden, hidden, generator=random) for _ in range(3)],
            None,
        )
        for text in texts
    ]
    cells, trace, states = run_beside(given)
    direction = torch.randn(states.shape, generator=random).permute(1, 0, 3, 2)
    products = cells.backward(trace, direction)
    for at in range(len(given)):
        alone, own, of_one = run_beside(given[at : at + 1])
        assert torch.equal(of_one[0], states[at])
        for i, (one, many) in enumerate(
            zip(alone.backward(own, direction[:, at : at + 1]), products, strict=True)
        ):
            assert torch.equal(one[:, 0], cells.unsorted(i, many.transpose(0, 1))[at])


def test_a_dropped_path_passes_its_source_on():
    inputs, state, genotype, weights, _ = arguments("0:relu 1:tanh", dropped=False)
    shut = torch.zeros(2, BATCH, 1, dtype=torch.float64)
    first = RecurrentGenotype.parse("0:relu")
    _, _, two = run_beside([(inputs, state, genotype, weights, shut)])
    _, _, one = run_beside([(inputs, state, first, weights[:2], shut[:1])])
    torch.testing.assert_close(two, one)


def test_the_activations_differ():
    shared = arguments("0:tanh", dropped=False)
    given = [(*shared[:2], RecurrentGenotype.parse(f"0:{a}"), *shared[3:]) for a in ACTIVATIONS]
    _, _, states = run_beside(given)
    for a, b in itertools.combinations(states, 2):
        assert (a - b).abs().max() > 0.01
