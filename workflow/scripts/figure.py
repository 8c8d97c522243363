"""The common style of all figures."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from wpl.evaluation import FEWEST_SEEDS, bootstrap_interval
from wpl.files import atomic

mpl.use("Agg")
SCALE = 0.8  # of a figure in a paper
SIZES = {
    12: ["font.size", "axes.labelsize", "axes.titlesize", "legend.title_fontsize"],
    11: ["legend.fontsize", "xtick.labelsize", "ytick.labelsize"],
    6: ["lines.markersize", "xtick.major.size", "ytick.major.size"],
    4: ["xtick.minor.size", "ytick.minor.size"],
    1.5: ["lines.linewidth"],
    1.25: ["axes.linewidth", "xtick.major.width", "ytick.major.width"],
    1: ["patch.linewidth", "xtick.minor.width", "ytick.minor.width"],
}
INKED = ["axes.edgecolor", "axes.labelcolor", "text.color", "xtick.color", "ytick.color"]
FONTS = ["Arial", "DejaVu Sans", "Liberation Sans", "Bitstream Vera Sans", "sans-serif"]
mpl.rcParams |= {name: SCALE * size for size, names in SIZES.items() for name in names}
mpl.rcParams |= dict.fromkeys(INKED, "0.15")
mpl.rcParams |= {"font.sans-serif": FONTS, "lines.solid_capstyle": "round", "axes.axisbelow": True}
# Text in SVG files stays text, and ids are reproducible.
mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "wpl", "legend.frameon": False}


MARKERS = 5
"""About as many are on a line."""


def band(values: Any) -> tuple[float, float]:
    """Compute the 95 % bootstrap interval of the mean over seeds, as in the tables."""
    return bootstrap_interval(lambda v: v.mean(axis=-1), values)


def curve(axes: Axes, table: pd.DataFrame, x: str, y: str, **style: Any) -> None:
    """Draw the mean over seeds as a line, with its interval as a band, or with a line per seed.

    Of a long line every few points are marked, of each line others: those that lie on each other
    are told apart by their markers.

    Args:
        axes: Where to draw.
        table: Columns ``seed``, ``x`` and ``y``; one row per seed and x.
        x: Column of the horizontal axis.
        y: Column of the vertical axis.
        **style: Style of the line: color, marker, linestyle, label.
    """
    seeds = table.pivot_table(index=x, columns="seed", values=y).dropna(axis="columns")
    every = max(1, len(seeds) // MARKERS)
    first = 3 * len(axes.collections) % every  # a band, or none, for each line that is drawn
    mean = seeds.mean(axis=1)
    axes.plot(seeds.index, mean, markersize=4, markevery=(first, every), **style)
    if len(seeds.columns) >= FEWEST_SEEDS:
        low, high = zip(*map(band, seeds.to_numpy()), strict=True)
        axes.fill_between(seeds.index, low, high, color=style["color"], alpha=0.15, lw=0)
    elif len(seeds.columns) > 1:
        axes.plot(seeds.index, seeds, color=style["color"], lw=0.5, alpha=0.5)


def seeds(table: pd.DataFrame) -> str:
    """Describe the number of seeds of the arms of a table: one number, or a range.

    Args:
        table: Columns ``arm`` and ``seed``.

    Returns:
        For example ``n = 10`` or ``n = 4 to 10``.
    """
    counts = table.groupby("arm")["seed"].nunique()
    least, most = counts.min(), counts.max()
    return f"n = {most}" if least == most else f"n = {least} to {most}"


def integers(axes: Axes) -> None:
    """Have ticks of the horizontal axis at whole numbers only, even if that is one tick."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def legend(figure: Figure) -> None:
    """Draw one legend for all panels of a figure with constrained layout, below them."""
    handles: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    columns = min(5, len(handles))
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=columns)


def save(figure: Figure, *paths: str) -> None:
    """Write a figure as PNG or SVG, by the suffix of each path.

    The bytes depend on what is drawn only, not on the time or the version of Matplotlib.
    """
    for path in paths:
        kind = Path(path).suffix.removeprefix(".")
        metadata = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}[kind]
        with atomic(Path(path)) as temporary:
            figure.savefig(temporary, format=kind, dpi=150, bbox_inches="tight", metadata=metadata)
    plt.close(figure)
