from .accumulation.dense import Dense
from .accumulation.outer import Outer
from .estimate import GradientAndFisher, Kind, diagonal_fisher, gradient_and_fisher
from .explain import explain
from .layers.registry import Samples, register

__all__ = [
    "Dense",
    "GradientAndFisher",
    "Kind",
    "Outer",
    "Samples",
    "diagonal_fisher",
    "explain",
    "gradient_and_fisher",
    "register",
]
