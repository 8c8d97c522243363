"""Settings that all spaces of architectures have: their size, and the arms that search them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from wpl_lab.arm_choice import check_arms
from wpl_lab.constraints import Count
from wpl_lab.search.search_names import METHOD_NAMES


@dataclass(frozen=True, kw_only=True)
class Space(ABC):
    """A space of cells, and the arms that search it."""

    nodes: Count
    """Nodes of a cell."""
    enas: tuple[str, ...]
    """Arms of the searches in which a controller learns which children to train; default: those
    which the table of arms marks for it (src/wpl_lab/arms.py)."""
    uniform: tuple[str, ...]
    """Arms of the searches in which all children are equally likely."""
    nao: tuple[str, ...]
    """Arms of the searches in which a network learns to improve architectures."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of architectures."""

    def __post_init__(self) -> None:
        """Check the arms.

        Raises:
            ValueError: If one is unknown, or nothing is there to compare with.
        """
        for method in METHOD_NAMES:
            check_arms(method, getattr(self, method), method)
