"""What the stops of a first model are called, in files and in figures."""

CONVERGED = "converged"
"""The stop of a first model that was trained to the end; others are called by their accuracy."""


def stop_title(stop: str) -> str:
    """Say in words when the first model was stopped."""
    return "A converged" if stop == CONVERGED else f"A stopped at {stop}"
