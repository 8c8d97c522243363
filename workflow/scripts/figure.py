"""The look that all figures share."""

from pathlib import Path
from typing import Any

import matplotlib
import seaborn as sns
from matplotlib.figure import Figure

from wpl.evaluation import bootstrap_interval
from wpl.files import atomic

matplotlib.use("Agg")
sns.set_theme(context="paper", style="ticks", palette="colorblind")


def band(values: Any) -> tuple[float, float]:
    """Give the 95 % bootstrap interval of the mean over seeds, as in the tables."""
    return bootstrap_interval(lambda v: v.mean(axis=-1), values)


def save(figure: Figure, path: str) -> None:
    """Write a figure as PNG whose bytes depend on its content only."""
    with atomic(Path(path)) as temporary:
        figure.savefig(
            temporary, format="png", dpi=150, bbox_inches="tight", metadata={"Software": None}
        )
