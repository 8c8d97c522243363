"""The strategies by which a search chooses architectures."""

from wpl.search.enas import Enas
from wpl.search.evenly import Evenly
from wpl.search.nao import Nao
from wpl.search.protocol import Space, Strategy
from wpl.search.settings import Policy, Population
from wpl.seeding import generator


def begin(settings: Policy | Population | None, space: Space, *, seed: int) -> Strategy:
    """Make the strategy that settings are for: evenly where there are none."""
    if settings is None:
        return Evenly(space)
    if isinstance(settings, Population):
        return Nao(space, settings, random=generator(seed, "search", "nao"))
    return Enas(space, settings, seed=seed)
