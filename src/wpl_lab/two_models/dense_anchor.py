"""An anchor of stacked runs with a full matrix, an alternative to the weight plasticity loss."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


class DenseAnchor:
    """Anchors shared weights by α/2 vᵀΩv, v = θ − θ̂; runs that differ in α only share Ω."""

    def __init__(
        self, anchor: Mapping[str, Tensor], omega: Tensor, alphas: Sequence[float]
    ) -> None:
        """Keep copies of the anchor, and Ω.

        Args:
            anchor: By name, θ̂ ``(run, ...)``, with a run for each stop, strength and seed, in this
                order.
            omega: Ω ``(stop, seed, s, s)``, rows in the order of ``anchor``, flattened.
            alphas: The strengths.
        """
        self._anchor = {name: a.detach().clone() for name, a in anchor.items()}
        self._omega = omega
        self._alphas = torch.tensor(alphas, dtype=omega.dtype)

    @torch.no_grad()
    def add_gradient_(self, parameters: Mapping[str, Tensor]) -> None:
        """Add the gradient, α Ω v, to the ``grad`` of each anchored weight.

        Args:
            parameters: By name, the current weights ``(run, ...)``; they must have a ``grad``.
        """
        stops, seeds, size, _ = self._omega.shape
        drift = [(parameters[name] - a).flatten(1) for name, a in self._anchor.items()]
        v = torch.cat(drift, 1).view(stops, len(self._alphas), seeds, size).permute(0, 2, 3, 1)
        pull = (self._omega @ v) * self._alphas  # (stop, seed, s, alpha)
        rows = pull.permute(0, 3, 1, 2).reshape(-1, size)  # (run, s)
        parts = rows.split([a[0].numel() for a in self._anchor.values()], 1)
        for (name, a), part in zip(self._anchor.items(), parts, strict=True):
            grad = parameters[name].grad
            assert grad is not None
            grad += part.view_as(a)
