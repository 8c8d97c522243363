"""The weight plasticity loss (Benyahia, Yu et al., "Overcoming Multi-Model Forgetting", 2019)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from wpl.plasticity_checks import (
    alpha_times,
    check_finite,
    check_not_negative,
    check_shape,
    checked_rate,
)
from wpl.sgd_and_pull import SgdAndPull, sgd_and_pull_


class WeightPlasticity:
    """Anchors shared weights in proportion to their importance for the models trained before.

    The loss is α/2 Σ_i F_i (θ_i − θ̂_i)² (equation 10 of the paper, with the strength α written
    out): θ̂ is the anchor, the value of the shared weights after the earlier model was trained; F
    is its diagonal Fisher information there. Weights that are not named in the anchor are free.

    Four ways to use it, one at a time:

    - Add ``loss`` to the training loss: simple, and the slowest.
    - Call ``add_gradient_`` between ``backward()`` and ``optimizer.step()``: the same gradient,
      without a graph. This is the method of the paper. Plain SGD diverges if lr α F > 2 for any
      weight (``check_stable``); Adam does not, as it scales each weight's gradient.
    - Call ``pull_`` after ``optimizer.step()``: the proximal step, cheap, and stable for any α.
      With SGD it has the fixed points of the loss. With Adam it is another method: the optimiser
      does not scale the pull, so the same protection takes an α 10 to 100 times larger.
    - Call ``sgd_step_`` in place of an optimiser: plain SGD and ``pull_`` in one, the cheapest.
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
            check_shape(f"the Fisher information of {name!r}", fisher[name], anchor[name])
            check_not_negative(f"the Fisher information of {name!r}", fisher[name])
            check_finite(f"the anchor of {name!r}", anchor[name])
        strength = torch.as_tensor(alpha, dtype=torch.float64)
        check_not_negative("alpha", strength)
        self._anchor = {name: a.detach().clone() for name, a in anchor.items()}
        self._weight = {name: alpha_times(strength, name, fisher[name].detach()) for name in anchor}
        self._rate = 0.0
        self._shares: list[Tensor] = []

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

    @torch.no_grad()
    def pull_(self, parameters: Mapping[str, Tensor], lr: float, *, momentum: float = 0.0) -> None:
        """Move each anchored weight towards its anchor: θ ← (θ + c θ̂)/(1 + c), c = lr α F.

        This is the proximal step of the loss, to be taken after ``optimizer.step()``. The shares
        c/(1 + c) are kept until ``lr`` changes.

        Args:
            parameters: By name, the current weights; names without an anchor are ignored.
            lr: Learning rate of the optimiser.
            momentum: Of SGD, μ: its steps add up to lr/(1 − μ), and so does the pull.

        Raises:
            ValueError: If an anchored weight is missing or has another shape, or if ``lr`` or
                ``momentum`` is out of range.
        """
        current = self._select(parameters)
        shares = self._shares_at(checked_rate(lr, momentum) / (1 - momentum))
        torch._foreach_lerp_(current, list(self._anchor.values()), shares)

    @torch.no_grad()
    def sgd_step_(self, parameters: Mapping[str, Tensor], lr: float) -> None:
        """Take the step of plain SGD, θ ← θ − lr g, and that of ``pull_`` after it.

        In place of an optimiser, and faster than the two: each anchored weight comes from memory
        once for both. For weights of more than 262,144 numbers this takes ``torch.compile``: the
        first call lasts seconds and needs a C++ compiler, or Triton on a GPU.

        Args:
            parameters: By name, all weights to train; those without an anchor are not pulled.
            lr: Learning rate.

        Raises:
            ValueError: If an anchored weight is missing or has another shape, or if ``lr`` is out
                of range.
        """
        anchored = self._select(parameters)
        shares = self._shares_at(checked_rate(lr))
        for name, theta in parameters.items():
            if name not in self._anchor and theta.grad is not None:
                theta.add_(theta.grad, alpha=-lr)
        both = []
        for theta, anchor, share in zip(anchored, self._anchor.values(), shares, strict=True):
            if theta.grad is None:
                theta.lerp_(anchor, share)
            else:
                both.append(SgdAndPull(theta, theta.grad, anchor, share))
        sgd_and_pull_(both, lr)

    def check_stable(self, lr: float, *, momentum: float = 0.0) -> None:
        """Refuse a strength at which ``add_gradient_`` or ``loss`` makes SGD diverge.

        Along a weight, the loss is a parabola of curvature α F. Gradient descent diverges on it if
        lr α F > 2, with momentum μ if lr α F > 2 (1 + μ). Call it once before training with
        ``torch.optim.SGD``; the training loss has a curvature of its own, so passing is necessary,
        not sufficient.

        Args:
            lr: Learning rate.
            momentum: Of SGD, μ.

        Raises:
            ValueError: If a weight would diverge; names its parameter. Also if ``lr`` or
                ``momentum`` is out of range.
        """
        limit = 2 * (1 + momentum)
        checked_rate(lr, momentum)
        largest = {name: weight.max().item() for name, weight in self._weight.items()}
        name = max(largest, key=largest.__getitem__)
        if lr * largest[name] > limit:
            raise ValueError(
                f"SGD diverges on {name!r}: lr α max F = {lr * largest[name]:.3g}, more than "
                f"{limit:g}; divide alpha by {lr * largest[name] / limit:.3g}, or use pull_ after "
                "the optimiser's step"
            )

    def _shares_at(self, rate: float) -> list[Tensor]:
        """Give c/(1 + c), kept until the rate changes."""
        if not self._shares or rate != self._rate:
            # In double precision: lr α F may be too large for the weights' own.
            pulls = [(rate * weight.double(), weight) for weight in self._weight.values()]
            self._shares = [(c / (1 + c)).to(weight) for c, weight in pulls]
            self._rate = rate
        return self._shares

    def _select(self, parameters: Mapping[str, Tensor]) -> list[Tensor]:
        for name, anchor in self._anchor.items():
            if name not in parameters:
                raise ValueError(f"the anchored weight {name!r} is missing from parameters")
            if parameters[name].shape != anchor.shape:  # the words for it take their time
                check_shape(f"the weight {name!r}", parameters[name], anchor)
        return [parameters[name] for name in self._anchor]
