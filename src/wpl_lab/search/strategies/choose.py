"""The strategies by which a search chooses architectures."""

from wpl_lab.search.protocol import Space, Strategy
from wpl_lab.search.strategies.enas import Enas
from wpl_lab.search.strategies.nao import Nao
from wpl_lab.search.strategies.strategy_settings import Policy, Population
from wpl_lab.search.strategies.uniform import Uniform
from wpl_lab.seeding import generator


def begin(settings: Policy | Population | None, space: Space, *, seed: int) -> Strategy:
    """Make a strategy.

    Args:
        settings: Of ENAS or of NAO; None for uniform sampling.
        space: The architectures.
        seed: Root seed of the run.

    Returns:
        The strategy, at its start.
    """
    if settings is None:
        return Uniform(space)
    if isinstance(settings, Population):
        return Nao(space, settings, random=generator(seed, "search", "nao"))
    return Enas(space, settings, seed=seed)
