"""The look that all figures share."""

from pathlib import Path

import matplotlib
import seaborn as sns
from matplotlib.figure import Figure

from wpl.files import atomic

matplotlib.use("Agg")
sns.set_theme(context="paper", style="ticks", palette="colorblind")

BAND = ("ci", 95)
"""Bands are 95 % bootstrap intervals of the mean over seeds."""

NAMES = {
    "none": "no remedy",
    "wpl": "WPL",
    "l2": "L2 to the anchor",
    "frozen": "shared layers frozen",
    "joint": "A and B together",
}
"""What the arms are called in figures."""


def save(figure: Figure, path: str) -> None:
    """Write a figure as PNG whose bytes depend on its content only."""
    with atomic(Path(path)) as temporary:
        figure.savefig(
            temporary, format="png", dpi=150, bbox_inches="tight", metadata={"Software": None}
        )
