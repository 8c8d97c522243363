"""What is to know of a torch function, from its name."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from wpl.fisher.engines.row_rules import Rule
from wpl.fisher.engines.row_table import RULES

_DECIDES = frozenset(
    [
        "item",
        "tolist",
        "numpy",
        "equal",
        "allclose",
        "is_nonzero",
        "__bool__",
        "__float__",
        "__int__",
        "__index__",
    ]
)
_VIEWS = frozenset(["T", "mT", "H", "mH", "data", "real", "imag", "grad"])
_NOT_IN_PLACE = frozenset(["__invert__", "__iter__", "__index__", "__int__"])


class Kind(NamedTuple):
    """What is to know of a function, from its name."""

    name: str
    base: str  # without underscores
    rule: Rule | None
    in_place: bool
    about_shape: bool  # a property like ``shape``
    decides: bool  # for all samples at once, what the program does next


@cache
def kind_of(func: Callable[..., Any]) -> Kind:
    """Look a function up."""
    name = func.__name__
    about_shape = False
    if name in {"__get__", "__set__"}:
        name = func.__self__.__name__  # type: ignore[attr-defined]
        about_shape = name not in _VIEWS
    base = name.strip("_")
    special = name.startswith("__")
    in_place = name.startswith(("__i", "__setitem")) if special else name.endswith("_")
    changes = in_place and name not in _NOT_IN_PLACE
    return Kind(name, base, RULES.get(base), changes, about_shape, name in _DECIDES)
