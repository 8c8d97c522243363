"""Perplexity, in a module of its own: what computes it need not run again when statistics change."""

import math


def perplexity(cross_entropy: float) -> float:
    """Compute exp of a mean cross-entropy given in nats per token; infinite where it overflows."""
    return math.exp(cross_entropy) if cross_entropy < 709 else math.inf
