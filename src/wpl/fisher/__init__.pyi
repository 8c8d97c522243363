from .accumulation.squares import Dense, Outer
from .estimate import diagonal_fisher
from .explain import explain
from .gradient_norms import gradient_norms
from .information import Fisher, fingerprint
from .interruption import Interrupted
from .layers.registry import Samples, register
from .with_gradient import GradientAndFisher, gradient_and_fisher

__all__ = [
    "Dense",
    "Fisher",
    "GradientAndFisher",
    "Interrupted",
    "Outer",
    "Samples",
    "diagonal_fisher",
    "explain",
    "fingerprint",
    "gradient_and_fisher",
    "gradient_norms",
    "register",
]
