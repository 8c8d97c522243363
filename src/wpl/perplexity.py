"""Perplexity, separate from the statistics, so that jobs do not run again when those change."""

import math


def perplexity(cross_entropy: float) -> float:
    """Compute exp of a mean cross-entropy given in nats per token; infinite where it overflows."""
    return math.exp(cross_entropy) if cross_entropy < 709 else math.inf
