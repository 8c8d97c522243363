"""Pictures of architectures."""

from matplotlib.axes import Axes
from matplotlib.markers import CARETUP
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D

from wpl_lab.search.spaces.convolutional import Cell, ConvolutionalGenotype
from wpl_lab.search.spaces.recurrent import RecurrentGenotype

Place = tuple[float, float]

WIDTH, HEIGHT = 1.5, 0.5
"""Size of a box; columns are 2 apart, rows 1."""
_COLOURS = {"tanh": "#b3cde3", "relu": "#fbb4ae", "sigmoid": "#ccebc5", "identity": "#fed9a6"}


def draw_recurrent(genotype: RecurrentGenotype, axes: Axes) -> None:
    """Draw a recurrent cell from bottom to top: the tree of its nodes, and the mean of the leaves.

    Everything, text included, is in data units, so that the picture scales with the axes.

    Args:
        genotype: The cell.
        axes: Where to draw; limits and aspect are set, and the frame is removed.
    """
    places, ends = places_of(genotype), genotype.loose_ends
    middle, top = places[0][0], max(y for _, y in places) + 1
    inputs = {"$x_t$": (middle - 1, -1.0), "$h_{t-1}$": (middle + 1, -1.0)}
    edges = [(place, places[0]) for place in inputs.values()]
    edges += [(places[source], places[i]) for i, (source, _) in enumerate(genotype.nodes, start=1)]
    edges += [(places[i], (middle, top)) for i in ends]
    for start, end in edges:
        _arrow(axes, start, end)
    for text, place in inputs.items():
        _box(axes, text, place)
    for node, (place, activation) in enumerate(
        zip(places, ["tanh", *(activation for _, activation in genotype.nodes)], strict=True)
    ):
        _box(axes, f"{node} {activation}", place, _COLOURS[activation])
    _box(axes, "$h_t$" if len(ends) == 1 else "$h_t$: mean", (middle, top))
    across = [x for x, _ in (*places, *inputs.values())]
    axes.set(xlim=(min(across) - 1, max(across) + 1), ylim=(-1.5, top + 0.5), aspect="equal")
    axes.set_axis_off()


def draw_convolutional(cell: Cell, axes: Axes) -> None:
    """Draw a convolutional cell from bottom to top: its inputs, its nodes, the mixed loose ends.

    Everything, text included, is in data units, so that the picture scales with the axes.

    Args:
        cell: The cell.
        axes: Where to draw; limits and aspect are set, and the frame is removed.
    """
    width, top = 3.4, float(len(cell) + 1)
    # A column and, but for the inputs, a row each: lines that go up pass beside all other boxes.
    columns = [-1.9, 1.9, 0.0, *(side * (3.9 + 2 * (i // 2)) for i, side in _alternating(cell))]
    rows = [0.0, 0.0, *map(float, range(1, len(cell) + 1))]
    places = list(zip(columns, rows, strict=False))
    ends = ConvolutionalGenotype.loose_ends(cell)
    for i, node in enumerate(cell, start=2):
        for state, _ in node:
            _arrow(axes, places[state], places[i])
    for i in ends:
        _arrow(axes, places[i], (0.0, top))
    _box(axes, "0: output before last", places[0], width=width)
    _box(axes, "1: last output", places[1], width=width)
    for i, node in enumerate(cell, start=2):
        text = " + ".join(f"{operation}({state})" for state, operation in node)
        _box(axes, f"{i}: {text}", places[i], "#b3cde3", width=width)
    _box(axes, "mixed: " + ", ".join(map(str, ends)), (0.0, top), width=width)
    side = max(abs(x) for x, _ in places) + width / 2 + 0.2
    axes.set(xlim=(-side, side), ylim=(-0.5, top + 0.5), aspect="equal")
    axes.set_axis_off()


def _alternating(cell: Cell) -> list[tuple[int, int]]:
    """Number the nodes after the first, each with its side: 1, right, or −1, left."""
    return [(i, -1 if i % 2 else 1) for i in range(len(cell) - 1)]


def places_of(genotype: RecurrentGenotype) -> list[Place]:
    """Place each node a row above its predecessor, centred below its own successors.

    Each leaf has a column of its own, so that no two lines cross.

    Returns:
        Column and row of each node, from node 0 on.
    """
    rows = [0]
    grown: list[list[int]] = [[] for _ in range(len(genotype.nodes) + 1)]
    for node, (source, _) in enumerate(genotype.nodes, start=1):
        rows.append(rows[source] + 1)
        grown[source].append(node)
    columns: dict[int, float] = {}
    leaves = 0

    def put(node: int) -> None:
        nonlocal leaves
        for next_node in grown[node]:
            put(next_node)
        if grown[node]:
            columns[node] = (columns[grown[node][0]] + columns[grown[node][-1]]) / 2
        else:
            columns[node] = 2.0 * leaves
            leaves += 1

    put(0)
    return [(columns[node], float(row)) for node, row in enumerate(rows)]


def _box(
    axes: Axes, text: str, place: Place, colour: str = "#eeeeee", *, width: float = WIDTH
) -> None:
    x, y = place
    corner = (x - width / 2, y - HEIGHT / 2)
    style = "round,pad=0,rounding_size=0.1"
    axes.add_patch(FancyBboxPatch(corner, width, HEIGHT, style, facecolor=colour, edgecolor="0.3"))
    written = TextPath((0, y - 0.07), text, size=0.24)
    box = written.get_extents()
    centred = Affine2D().translate(x - (box.x0 + box.x1) / 2, 0).transform_path(written)
    axes.add_patch(PathPatch(centred, facecolor="black", linewidth=0))


def _arrow(axes: Axes, start: Place, end: Place) -> None:
    """Draw an arrow up from a box, across just below the row of the other, and up into it."""
    (x, y), (to_x, to_y) = start, end
    turn = to_y - 0.5
    axes.plot(
        [x, x, to_x, to_x],
        [y + HEIGHT / 2, turn, turn, to_y - HEIGHT / 2],
        color="0.3",
        linewidth=1,
        marker=CARETUP,
        markersize=5,
        markevery=[3],
        zorder=0.5,
    )
