"""What the shared weights are worth to the children trained so far: running Fisher and anchor."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from wpl.plasticity import WeightPlasticity


class Memory:
    """The anchor and the importance of shared weights, renewed after each child.

    The importance is a running average of the children's Fisher information, F ← (1 − η) F + η F̂
    over the weights that a child uses, and its tensors are kept from growing beyond a norm. The
    strength α multiplies the penalty, never what is stored.

    Attributes:
        fisher: By name, F of every shared weight.
        anchor: By name, θ̂ of every shared weight.
    """

    def __init__(
        self,
        parameters: Mapping[str, Tensor],
        *,
        rate: float,
        largest_norm: float,
        uniform: bool,
    ) -> None:
        """Start with nothing to protect.

        Args:
            parameters: By name, the shared weights that may be protected.
            rate: η, the share of the newest child.
            largest_norm: Longest norm of a tensor of F.
            uniform: Give every weight that a child uses the mean of their F: plain L2 towards the
                anchor, as strong on average.
        """
        self.fisher = {name: torch.zeros_like(p) for name, p in parameters.items()}
        self.anchor = {name: p.detach().clone() for name, p in parameters.items()}
        self._rate, self._largest_norm, self._uniform = rate, largest_norm, uniform

    @torch.no_grad()
    def renew(self, parameters: Mapping[str, Tensor], fisher: Mapping[str, Tensor]) -> None:
        """Take in a child: move F towards its Fisher information, and the anchor to its weights.

        Args:
            parameters: By name, the weights that the child uses, as they are now; others are
                ignored.
            fisher: By name, F̂ of those of them that are protected.
        """
        for name, estimate in fisher.items():
            kept = self.fisher[name].lerp_(estimate, self._rate)
            norm = torch.linalg.vector_norm(kept)
            kept.mul_((self._largest_norm / norm).clamp(max=1))  # a norm of 0 gives ∞, and so 1
            self.anchor[name].copy_(parameters[name])

    def penalty(self, names: Iterable[str], alpha: float) -> WeightPlasticity:
        """Make the weight plasticity loss of the weights that a child uses, each once.

        Args:
            names: Weights that the child uses; those that are not protected are left free.
            alpha: Strength.

        Returns:
            The loss.
        """
        names = [name for name in names if name in self.fisher]
        fisher = {name: self.fisher[name] for name in names}
        if self._uniform:
            total = torch.stack([f.sum() for f in fisher.values()]).sum()
            mean = total / sum(f.numel() for f in fisher.values())
            fisher = {name: mean.expand_as(f) for name, f in fisher.items()}
        return WeightPlasticity({name: self.anchor[name] for name in names}, fisher, alpha)
