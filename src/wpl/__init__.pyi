from . import evaluation as evaluation
from . import ranking as ranking
from .fisher import diagonal_fisher as diagonal_fisher
from .fisher import gradient_and_fisher as gradient_and_fisher
from .information import Fisher as Fisher
from .information import fingerprint as fingerprint
from .merging import merge as merge
from .omega import exact_omega as exact_omega
from .plasticity import WeightPlasticity as WeightPlasticity

__version__: str
