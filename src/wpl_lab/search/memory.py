"""Importance of the shared weights for the children trained so far: running Fisher and anchor."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from wpl.plasticity import WeightPlasticity
from wpl_lab.arm import Arm
from wpl_lab.search.descent import spread
from wpl_lab.search.protocol import Tensors
from wpl_lab.weighting import weighting


class Memory:
    """The anchor and the Fisher information of the shared weights of several runs.

    The Fisher information is a running average of the children's, F ← (1 − η) F + η F̂ over the
    weights that a child uses, and the norm of each tensor is bounded. The strength α multiplies the
    penalty, never what is stored.

    Attributes:
        fisher: By name, F of every weight that may be protected, ``(run, ...)``.
        anchor: By name, θ̂, in the same shapes.
    """

    def __init__(
        self, fisher: Tensors, anchor: Tensors, *, arm: Arm, rate: float, largest_norm: float
    ) -> None:
        """Start from the tensors given.

        Args:
            fisher: By name, F, ``(run, ...)``; changed in place.
            anchor: By name, θ̂, ``(run, ...)``; changed in place.
            arm: How the anchor is weighted.
            rate: η, the weight of the newest child.
            largest_norm: Largest norm of a tensor of F.
        """
        self.fisher, self.anchor = fisher, anchor
        self._arm, self._rate, self._largest_norm = arm, rate, largest_norm

    def renew(
        self,
        weights: Mapping[str, Tensor],
        fisher: Mapping[str, Tensor],
        used: Mapping[str, Tensor],
    ) -> None:
        """Update with a child of each run: move F towards F̂, and the anchor to its weights.

        Args:
            weights: By name, as they are now, ``(run, ...)``.
            fisher: By name, F̂ of the weights that the children use, ``(run, ...)``.
            used: By name, whether the child of each run uses a weight, ``(run)``.
        """
        for name, runs in used.items():
            if name not in self.fisher:
                continue
            before = self.fisher[name][runs]
            # Not lerp: it rounds an element by its place in the tensor, that is by the runs beside
            # it.
            kept = before + self._rate * (fisher[name][runs] - before)
            norm = kept.flatten(1).square().sum(1).sqrt()
            kept.mul_(spread((self._largest_norm / norm).clamp(max=1), kept))  # 0 gives ∞, so 1
            self.fisher[name][runs] = kept
            self.anchor[name][runs] = weights[name][runs]

    def penalties(
        self, names: Sequence[Sequence[str]], alpha: float
    ) -> list[WeightPlasticity | None]:
        """Make the weight plasticity loss of each run, over the weights that its children use.

        Args:
            names: For each run, the weights; those that are not protected are left free.
            alpha: Strength.

        Returns:
            The losses; None where no weight is protected.
        """
        made: list[WeightPlasticity | None] = []
        for run, of_run in enumerate(names):
            protected = [name for name in self.fisher if name in of_run]
            if not protected:
                made.append(None)
                continue
            own = {name: self.fisher[name][run] for name in protected}
            anchor = {name: self.anchor[name][run] for name in protected}
            importance = weighting(self._arm, {"fisher": own})
            made.append(WeightPlasticity(anchor, importance, alpha))
        return made
