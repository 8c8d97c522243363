"""The weight plasticity loss (Benyahia, Yu et al., "Overcoming Multi-Model Forgetting", 2019)."""

from collections.abc import Mapping

import torch
from torch import Tensor


class WeightPlasticity:
    """Anchors shared weights in proportion to their importance for the models trained before.

    The loss is α/2 Σ_i F_i (θ_i − θ̂_i)² (equation 10 of the paper, with the strength α written
    out): θ̂ is the anchor, the value of the shared weights after the earlier model was trained; F
    is its diagonal Fisher information there. Weights that are not named in the anchor are free.

    Either add ``loss`` to the training loss, or call ``add_gradient_`` between ``backward()`` and
    ``optimizer.step()``: the gradient is the same, without the cost of a graph.
    """

    def __init__(
        self,
        anchor: Mapping[str, Tensor],
        fisher: Mapping[str, Tensor],
        alpha: float | Tensor,
    ) -> None:
        """Keep copies of the anchor and of α F.

        Args:
            anchor: By name, the values θ̂ to hold.
            fisher: By name, the importance F ≥ 0, in the shapes of ``anchor``.
            alpha: The strength α ≥ 0. A tensor ``(n)`` gives each of n models that are stacked
                along the first dimension of every weight its own strength.

        Raises:
            ValueError: If names or shapes of ``anchor`` and ``fisher`` differ, if the anchor is not
                finite, if the Fisher information or α is negative or not finite, or if α has
                another shape.
        """
        if not anchor:
            raise ValueError("anchor names no weights")
        for name in {**anchor, **fisher}:
            if name not in anchor or name not in fisher:
                missing = "fisher" if name in anchor else "anchor"
                raise ValueError(f"{name!r} is missing from {missing}")
            _check_shape(f"the Fisher information of {name!r}", fisher[name], anchor[name])
            _check_not_negative(f"the Fisher information of {name!r}", fisher[name])
            _check_finite(f"the anchor of {name!r}", anchor[name])
        strength = torch.as_tensor(alpha, dtype=torch.float64)
        _check_not_negative("alpha", strength)
        self._anchor = {name: a.detach().clone() for name, a in anchor.items()}
        self._weight = {name: _times(strength, name, fisher[name].detach()) for name in anchor}

    def loss(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """Compute α/2 Σ F (θ − θ̂)², a scalar that autograd can follow.

        Args:
            parameters: By name, the current weights; names without an anchor are ignored.

        Returns:
            The loss.

        Raises:
            ValueError: If an anchored weight is missing or has another shape.
        """
        current = self._select(parameters)
        terms = [
            (weight * (theta - anchor).square()).sum()
            for theta, anchor, weight in zip(
                current, self._anchor.values(), self._weight.values(), strict=True
            )
        ]
        return torch.stack(terms).sum() / 2

    @torch.no_grad()
    def add_gradient_(self, parameters: Mapping[str, Tensor]) -> None:
        """Add the gradient of ``loss``, α F (θ − θ̂), to the ``grad`` of each anchored weight.

        Args:
            parameters: By name, the current weights; names without an anchor are ignored.

        Raises:
            ValueError: If an anchored weight is missing or has another shape.
        """
        current = self._select(parameters)
        gradients: list[Tensor] = []
        for theta in current:
            if theta.grad is None:
                theta.grad = torch.zeros_like(theta)
            gradients.append(theta.grad)
        drift = torch._foreach_sub(current, list(self._anchor.values()))
        torch._foreach_addcmul_(gradients, list(self._weight.values()), drift)

    def _select(self, parameters: Mapping[str, Tensor]) -> list[Tensor]:
        for name, anchor in self._anchor.items():
            if name not in parameters:
                raise ValueError(f"the anchored weight {name!r} is missing from parameters")
            _check_shape(f"the weight {name!r}", parameters[name], anchor)
        return [parameters[name] for name in self._anchor]


def _times(alpha: Tensor, name: str, fisher: Tensor) -> Tensor:
    if alpha.ndim and alpha.shape != fisher.shape[:1]:
        raise ValueError(
            f"alpha must be a number or have shape {tuple(fisher.shape[:1])}, one for each model "
            f"stacked in {name!r}; got shape {tuple(alpha.shape)}"
        )
    ones = [1] * (fisher.ndim - alpha.ndim)
    weight = alpha.to(fisher).reshape([*alpha.shape, *ones]) * fisher
    _check_finite(f"alpha times the Fisher information of {name!r}", weight)
    return weight


def _check_shape(what: str, value: Tensor, anchor: Tensor) -> None:
    if value.shape != anchor.shape:
        raise ValueError(
            f"{what} has shape {tuple(value.shape)}; its anchor has {tuple(anchor.shape)}"
        )


def _check_finite(what: str, value: Tensor) -> None:
    if not value.isfinite().all():
        raise ValueError(f"{what} is not finite")


def _check_not_negative(what: str, value: Tensor) -> None:
    _check_finite(what, value)
    if (value < 0).any():
        raise ValueError(f"{what} is negative: {value.min().item():g}")
