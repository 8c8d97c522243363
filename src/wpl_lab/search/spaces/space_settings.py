"""Settings that all spaces of architectures have: their size, and the arms that search them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from wpl_lab.arm_choice import check_arms
from wpl_lab.constraints import Count
from wpl_lab.search.search_names import METHOD_NAMES


@dataclass(frozen=True, kw_only=True)
class SearchArms:
    """The arms that search a space, by method."""

    enas: tuple[str, ...]
    """Arms of the searches by ENAS, in which a controller learns which children to train; default:
    those that the table of arms (src/wpl_lab/arms.py) marks for it."""
    uniform: tuple[str, ...]
    """Arms of the searches by uniform sampling, in which all children are equally likely."""
    nao: tuple[str, ...]
    """Arms of the searches by NAO, in which a network learns to improve architectures."""

    def __post_init__(self) -> None:
        """Check the arms.

        Raises:
            ValueError: If an arm is unknown, or the baseline is missing.
        """
        for method in METHOD_NAMES:
            check_arms(method, getattr(self, method), method)


@dataclass(frozen=True, kw_only=True)
class Space(SearchArms, ABC):
    """A space of cells, and the arms that search it."""

    nodes: Count
    """Nodes of a cell."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of architectures."""
