"""Batch normalisation without affine parameters, with statistics that are measured or given."""

import torch
import torch.nn.functional as F
from torch import Tensor

Statistics = list[tuple[Tensor, Tensor]]
"""Mean and variance of the channels, ``(run · channel)`` each, for each normalisation."""


class Norm:
    """Batch normalisation without affine parameters, for one layer after the other."""

    def __init__(self, statistics: Statistics | None = None, *, keep: bool = False) -> None:
        """Choose the statistics.

        Args:
            statistics: Mean and variance ``(run · channel)`` for each layer in turn; by default,
                those of the batch.
            keep: Whether to collect the statistics of the batch in ``kept``.
        """
        self._statistics, self._keep = statistics, keep
        self.kept: Statistics = []
        self._number = 0

    def __call__(self, x: Tensor) -> Tensor:
        """Normalise the next layer.

        Args:
            x: ``(batch, run · channel, height, width)``.

        Returns:
            The normalised values, in the same shape.
        """
        if self._statistics is not None:
            mean, variance = self._statistics[self._number]
            self._number += 1
            return F.batch_norm(x, mean, variance)
        if self._keep:
            variance, mean = torch.var_mean(x, (0, 2, 3), correction=0)
            self.kept.append((mean, variance))
        return F.batch_norm(x, None, None, training=True)
