"""What arms and stops are called, in files and in figures."""

from typing import Literal

ArmEverywhere = Literal["none", "wpl", "l2", "frozen", "joint"]
"""Arms for every number of shared layers."""

Remedy = Literal["floor", "omega", "si", "mas"]
"""Further arms, for the headline number of shared layers."""

ArmOfSplit = Literal["none", "ewc", "l2", "si", "mas", "joint"]
"""Arms where one network learns one half of the classes after the other."""

Arm = Literal[ArmEverywhere, Remedy, ArmOfSplit]

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
