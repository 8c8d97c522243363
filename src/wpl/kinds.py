"""Names of the estimates that the library offers; importing them loads no PyTorch."""

from typing import Literal

Kind = Literal["empirical", "mc", "exact", "sketch"]
"""Labels of the Fisher information: the data's, drawn from the prediction, or in expectation."""

Curvature = Literal["hessian", "ggn"]
"""Second derivatives of the negative log posterior: exact, or generalised Gauss-Newton."""
