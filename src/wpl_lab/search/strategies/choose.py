"""The strategies by which a search chooses architectures."""

from wpl_lab.search.protocol import Space, Strategy
from wpl_lab.search.strategies.enas import Enas
from wpl_lab.search.strategies.nao import Nao
from wpl_lab.search.strategies.strategy_settings import Policy, Population
from wpl_lab.search.strategies.uniform import Uniform
from wpl_lab.seeding import generator


def begin(settings: Policy | Population | None, space: Space, *, seed: int) -> Strategy:
    """Make the strategy that settings are for: uniform sampling where there are none."""
    if settings is None:
        return Uniform(space)
    if isinstance(settings, Population):
        return Nao(space, settings, random=generator(seed, "search", "nao"))
    return Enas(space, settings, seed=seed)
