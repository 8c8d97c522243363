"""The sums of all parameters, and what is under way to them."""

from collections import defaultdict
from collections.abc import Iterable

from torch import Tensor

from wpl.fisher.accumulation.dense import add_dense_squares_
from wpl.fisher.accumulation.scratch import BUFFERS
from wpl.fisher.accumulation.sum import Contribution, Sum


class Sums:
    """The sums of several parameters, and what is under way to them in one backward pass."""

    def __init__(self, parameters: Iterable[Tensor]) -> None:
        """Start with nothing for each parameter."""
        self.of = {id(p): Sum(p) for p in parameters}
        self.scratch = BUFFERS
        self._waiting: dict[int, list[Contribution]] = defaultdict(list)

    def begin_batch(self, passes: int) -> None:
        """Announce how many backward passes there will be."""
        for total in self.of.values():
            total.several = passes > 1

    def deliver(self, key: int, contribution: Contribution, uses: int) -> None:
        """Take what one of several uses contributes; the last one squares them all."""
        waiting = self._waiting[key]
        waiting.append(contribution)
        if len(waiting) == uses:
            del self._waiting[key]
            self._add_squares_(key, waiting)

    def end_pass(self) -> None:
        """Square what some uses contributed where the others had no part in the loss."""
        for key, waiting in self._waiting.items():
            self._add_squares_(key, waiting)
        self._waiting.clear()

    def end_batch(self) -> None:
        """Close a batch."""
        for total in self.of.values():
            total.end_batch()

    def _add_squares_(self, key: int, contributions: list[Contribution]) -> None:
        total = self.of[key]
        whole = contributions[0] if len(contributions) == 1 else None
        for k, one in enumerate(contributions):
            whole = whole or one.joined([*contributions[:k], *contributions[k + 1 :]])
        if whole is None:
            add_dense_squares_(total, contributions)
        else:
            whole.add_squares_(total, self.scratch)
