"""The strategies by which a search chooses architectures."""

from wpl.search.enas import Enas
from wpl.search.evenly import Evenly
from wpl.search.protocol import Space, Strategy
from wpl.search.settings import Policy


def begin(settings: Policy | None, space: Space, *, seed: int) -> Strategy:
    """Make the strategy that settings are for: evenly where there are none."""
    if settings is None:
        return Evenly(space)
    return Enas(space, settings, seed=seed)
