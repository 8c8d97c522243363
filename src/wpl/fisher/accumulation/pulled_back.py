"""Gradients of a tensor computed from parameters alone, back-propagated for each sample."""

from collections.abc import Sequence

import torch
from torch import Tensor

from wpl.fisher.accumulation.contribution import Contribution
from wpl.fisher.accumulation.dense import add_dense_squares_
from wpl.fisher.accumulation.precision import precise
from wpl.fisher.accumulation.total import Total


class PulledBack:
    """Jᵀ g_n for each sample n, with J the derivative of a derived weight W(p) for a parameter p.

    W is the weight that the samples are combined with, such as a normalised, sliced or concatenated
    parameter.
    """

    def __init__(
        self, derived: Tensor, parameter: Tensor, contributions: Sequence[Contribution]
    ) -> None:
        """Keep the graph of W(p), and the contributions of the uses of W.

        Args:
            derived: W(p), of any shape.
            parameter: p, of any shape.
            contributions: One per use of W.
        """
        self._derived, self._parameter, self._uses = derived, parameter, contributions
        self.samples = contributions[0].samples

    def dense(self, rows: slice) -> Tensor:
        """See ``Contribution``."""
        gradient = self._uses[0].dense(rows)
        for use in self._uses[1:]:
            gradient = gradient + use.dense(rows)
        gradient = gradient.reshape(-1, *self._derived.shape).to(self._derived.dtype)
        (found,) = torch.autograd.grad(
            self._derived,
            self._parameter,
            gradient,
            retain_graph=True,
            is_grads_batched=True,
        )
        return precise(found)

    def joined(self, others: list[Contribution]) -> Contribution | None:
        """See ``Contribution``."""
        return None if others else self

    def add_squares_(self, total: Total) -> None:
        """See ``Contribution``."""
        add_dense_squares_(total, [self])
