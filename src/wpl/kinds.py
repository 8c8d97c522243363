"""Names of the estimates that the library offers; importing them loads no PyTorch."""

from typing import Literal

Kind = Literal["empirical", "mc", "exact", "sketch"]
"""Labels of the Fisher information: the data's, drawn from the prediction, or in expectation."""

LikelihoodName = Literal["categorical", "bernoulli", "gaussian"]
"""What a model's outputs are: logits of classes, of yes or no, or means."""

Unit = Literal["sequence", "token"]
"""What the log-likelihood of a sample is: the sum over its positions, or their mean."""

Curvature = Literal["hessian", "ggn"]
"""Second derivatives of the negative log posterior: exact, or generalised Gauss-Newton."""
