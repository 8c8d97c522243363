from . import evaluation as evaluation
from . import ranking as ranking
from .fisher.estimate import diagonal_fisher as diagonal_fisher
from .fisher.explain import explain as explain
from .fisher.gradient_norms import gradient_norms as gradient_norms
from .fisher.information import Fisher as Fisher
from .fisher.information import fingerprint as fingerprint
from .fisher.interruption import Interrupted as Interrupted
from .fisher.with_gradient import gradient_and_fisher as gradient_and_fisher
from .merging import merge as merge
from .omega import exact_omega as exact_omega
from .plasticity import WeightPlasticity as WeightPlasticity

__version__: str
