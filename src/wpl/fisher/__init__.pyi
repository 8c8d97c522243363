from .estimate import diagonal_fisher
from .explain import explain
from .gradient_norms import gradient_norms
from .information import Fisher, fingerprint
from .interruption import Interrupted
from .with_gradient import GradientAndFisher, gradient_and_fisher

__all__ = [
    "Fisher",
    "GradientAndFisher",
    "Interrupted",
    "diagonal_fisher",
    "explain",
    "fingerprint",
    "gradient_and_fisher",
    "gradient_norms",
]
