"""Drawings of cells are complete and have no overlaps."""

import io
import itertools

import pytest
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch

from wpl_lab.search.protocol import draw
from wpl_lab.search.spaces.convolutional import ConvolutionalGenotype, ConvolutionalSpace
from wpl_lab.search.spaces.drawing import draw_convolutional, draw_recurrent
from wpl_lab.search.spaces.recurrent import RecurrentGenotype, RecurrentSpace
from wpl_lab.seeding import generator

CELLS = [
    RecurrentGenotype.parse("0:tanh"),
    *map(RecurrentGenotype.parse, ["0:relu 0:tanh", "0:relu 1:tanh"]),
    *(draw(RecurrentSpace(n), generator(seed)) for n in (3, 5, 8, 12) for seed in range(2)),
    RecurrentGenotype(tuple((0, "identity") for _ in range(12))),
    RecurrentGenotype(tuple((i, "sigmoid") for i in range(12))),
]


def drawn(cell, draw=draw_recurrent):
    """Return boxes, lines and texts of a drawing, in the units of its axes."""
    axes = Figure().add_subplot()
    draw(cell, axes)

    def of_kind(kind):
        return [patch for patch in axes.patches if isinstance(patch, kind)]

    boxes = [patch.get_path().get_extents() for patch in of_kind(FancyBboxPatch)]
    lines = [line.get_xydata().tolist() for line in axes.lines]
    texts = [patch.get_path().get_extents() for patch in of_kind(PathPatch)]
    return axes, boxes, lines, texts


def inside(box, point):
    """Tell whether a point is in a box or on its edge."""
    (x, y), slack = point, 1e-9
    within = box.x0 - slack <= x <= box.x1 + slack, box.y0 - slack <= y <= box.y1 + slack
    return all(within)


def crosses(box, start, end):
    """Tell whether a line parallel to an axis crosses the interior of a box."""
    low, high = ([f(pair) for pair in zip(start, end, strict=True)] for f in (min, max))
    return (
        low[0] < box.x1 - 1e-9
        and high[0] > box.x0 + 1e-9
        and low[1] < box.y1 - 1e-9
        and high[1] > box.y0 + 1e-9
    )


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_nothing_overlaps(cell):
    axes, boxes, lines, texts = drawn(cell)
    for line in lines:
        for start, end in itertools.pairwise(line):
            assert not any(crosses(box, start, end) for box in boxes)
    assert_apart(axes, boxes, texts)


def assert_apart(axes, boxes, texts):
    for a, b in itertools.combinations(boxes, 2):
        assert a.x1 < b.x0 or b.x1 < a.x0 or a.y1 < b.y0 or b.y1 < a.y0
    for box, text in zip(boxes, texts, strict=True):
        assert inside(box, text.min)
        assert inside(box, text.max)
        assert axes.viewLim.containsx(box.x0)
        assert axes.viewLim.containsx(box.x1)
        assert axes.viewLim.containsy(box.y0)
        assert axes.viewLim.containsy(box.y1)


@pytest.mark.parametrize("cell", CELLS[::3], ids=str)
def test_lines_join_inputs_nodes_and_the_mean_of_loose_ends(cell):
    """Boxes are drawn in order: both inputs, the nodes, the new state."""
    _, boxes, lines, _ = drawn(cell)
    count = len(cell.nodes) + 1
    assert len(boxes) == count + 3
    joined = {
        tuple(next(i for i, box in enumerate(boxes) if inside(box, p)) for p in (line[0], line[-1]))
        for line in lines
    }
    nodes = range(2, count + 2)
    expected = {(0, 2), (1, 2), *((nodes[i], count + 2) for i in cell.loose_ends)}
    expected |= {(nodes[source], nodes[i]) for i, (source, _) in enumerate(cell.nodes, start=1)}
    assert joined == expected
    assert len(lines) == len(expected)


@pytest.mark.parametrize("nodes", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("seed", range(3))
def test_a_convolutional_cell_shows_every_branch(nodes, seed):
    """Boxes are drawn in order: both inputs, the nodes, the mixed loose ends."""
    cell = draw(ConvolutionalSpace(nodes, alike=True), generator(seed)).normal
    axes, boxes, lines, texts = drawn(cell, draw_convolutional)
    assert len(boxes) == nodes + 3
    assert_apart(axes, boxes, texts)
    for line in lines:
        for start, end in itertools.pairwise(line):
            assert not any(crosses(box, start, end) for box in boxes)
    joined = sorted(
        tuple(next(i for i, box in enumerate(boxes) if inside(box, p)) for p in (line[0], line[-1]))
        for line in lines
    )
    branches = [(s, i) for i, node in enumerate(cell, start=2) for s, _ in node]
    ends = [(i, nodes + 2) for i in ConvolutionalGenotype.loose_ends(cell)]
    assert joined == sorted(branches + ends)


def test_a_drawing_is_reproducible_and_shows_the_activations():
    def picture(text):
        figure = Figure(figsize=(3, 3))
        draw_recurrent(RecurrentGenotype.parse(text), figure.add_subplot())
        figure.savefig(file := io.BytesIO(), format="png", dpi=50)
        return file.getvalue()

    first, again, other = map(picture, ["0:tanh 1:relu", "0:tanh 1:relu", "0:tanh 1:sigmoid"])
    assert first == again
    assert first != other
