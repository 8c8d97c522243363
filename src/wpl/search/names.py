"""What methods and arms are called, in files and in figures."""

from typing import Literal

Method = Literal["enas", "uniform"]
"""How children are chosen: by a controller that learns, or evenly."""

SearchArm = Literal["none", "wpl", "wpl_decay", "l2", "drop_path"]

ARM_NAMES: dict[SearchArm, str] = {
    "none": "no remedy",
    "wpl": "WPL",
    "wpl_decay": "WPL, α decaying",
    "l2": "L2 to the anchor",
    "drop_path": "drop-path",
}
METHOD_NAMES: dict[Method, str] = {"enas": "ENAS", "uniform": "uniform sampling"}
ANCHORED: tuple[SearchArm, ...] = ("wpl", "wpl_decay", "l2")
"""The arms that protect earlier children; ``drop_path`` changes how children are trained."""
