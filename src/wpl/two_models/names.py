"""What arms and stops are called, in files and in figures."""

from typing import Literal

Arm = Literal["none", "wpl", "l2", "frozen", "joint", "floor", "omega", "si", "mas", "ewc"]

ARM_NAMES: dict[Arm, str] = {
    "none": "no remedy",
    "wpl": "WPL",
    "l2": "L2 to the anchor",
    "frozen": "shared layers frozen",
    "joint": "A and B together",
    "floor": "WPL with a floor",
    "omega": "exact Ω",
    "si": "synaptic intelligence",
    "mas": "memory aware synapses",
    "ewc": "EWC",
}

IMPORTANCE: dict[Arm, str] = {"si": "si", "mas": "mas", "omega": "omega"}
"""What an arm's anchor is weighted with, where it is not the Fisher information."""

CONVERGED = "converged"
"""The stop of a first model that was trained to the end; others are called by their accuracy."""


def stop_title(stop: str) -> str:
    """Say in words when the first model was stopped."""
    return "A converged" if stop == CONVERGED else f"A stopped at {stop}"
