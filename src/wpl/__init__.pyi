from . import evaluation as evaluation
from . import ranking as ranking
from .fisher.estimate import diagonal_fisher as diagonal_fisher
from .fisher.estimate import gradient_and_fisher as gradient_and_fisher
from .fisher.information import Fisher as Fisher
from .fisher.information import fingerprint as fingerprint
from .merging import merge as merge
from .omega import exact_omega as exact_omega
from .plasticity import WeightPlasticity as WeightPlasticity

__version__: str
