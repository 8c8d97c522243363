"""Names of the options of estimates; importing them does not load PyTorch."""

from typing import Literal

Kind = Literal["empirical", "mc", "exact", "sketch"]
"""Kind of the Fisher information: labels of the data, drawn from the prediction, or in
expectation."""

LikelihoodName = Literal["categorical", "bernoulli", "gaussian"]
"""Likelihood of a model's outputs: logits of classes, logits of binary labels, or means."""

Unit = Literal["sequence", "token"]
"""Log-likelihood of a sample: the sum over its positions, or their mean."""

Curvature = Literal["hessian", "ggn"]
"""Second derivatives of the negative log posterior: exact, or generalised Gauss-Newton."""
