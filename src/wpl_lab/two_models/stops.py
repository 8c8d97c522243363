"""Names of the stops of a first model, in files and in figures."""

CONVERGED = "converged"
"""The stop of a first model trained to the end; the others are named by their accuracy."""


def stop_title(stop: str) -> str:
    """Describe when the first model was stopped."""
    return "A converged" if stop == CONVERGED else f"A stopped at {stop}"
