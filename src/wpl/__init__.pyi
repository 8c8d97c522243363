from . import evaluation as evaluation
from . import ranking as ranking
from .fisher.estimate import diagonal_fisher as diagonal_fisher
from .fisher.estimate import gradient_and_fisher as gradient_and_fisher
from .fisher.explain import explain as explain
from .omega import exact_omega as exact_omega
from .plasticity import WeightPlasticity as WeightPlasticity

__version__: str
