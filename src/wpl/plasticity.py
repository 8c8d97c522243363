"""The weight plasticity loss (Benyahia, Yu et al., "Overcoming Multi-Model Forgetting", 2019)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from wpl.anchors import Anchors
from wpl.plasticity_checks import checked_rate
from wpl.quadratic import rates
from wpl.sgd_and_pull import SgdAndPull, lerp_, sgd_and_pull_


class WeightPlasticity(Anchors):
    """Anchors shared weights in proportion to their importance for the models trained before.

    The loss is α/2 Σ_i F_i (θ_i − θ̂_i)² (equation 10 of the paper, with the strength α written
    out): θ̂ is the anchor, the value of the shared weights after the earlier model was trained; F
    is its diagonal Fisher information there. Weights that are not named in the anchor are free.
    After further tasks, call ``add_anchor`` or ``move_anchor``.

    Use it in one of four ways:

    - Add ``loss`` to the training loss: the simplest and the slowest.
    - Call ``add_gradient_`` between ``backward()`` and ``optimizer.step()``: the same gradient,
      without a graph. This is the method of the paper. Plain SGD diverges if lr α F > 2 for any
      weight (``check_stable``); Adam does not, as it scales each weight's gradient.
    - Call ``pull_`` after ``optimizer.step()``: the proximal step, cheap, and stable for any α.
      With SGD, it has the fixed points of the loss. With Adam, it is another method: the optimiser
      does not scale the pull, so the same protection needs an α 10 to 100 times larger.
    - Call ``sgd_step_`` instead of an optimiser: plain SGD and ``pull_`` in one, the cheapest.
    """

    def loss(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """Compute α/2 Σ F (θ − θ̂)², summed over tasks: a differentiable scalar.

        Args:
            parameters: By name, the current weights; names without an anchor are ignored.

        Returns:
            The loss.

        Raises:
            ValueError: If an anchored weight is missing or has another shape.
        """
        current = self._select(parameters)
        terms = [
            (strength * (theta - anchor).to(strength.dtype).square()).sum()
            for theta, anchor, strength in zip(current, self._anchors, self._strengths, strict=True)
        ]
        loss = torch.stack(terms).sum() / 2
        return loss if self._constant is None else loss + self._constant.to(loss)

    @torch.no_grad()
    def add_gradient_(
        self, parameters: Mapping[str, Tensor], optimizer: torch.optim.Optimizer | None = None
    ) -> None:
        """Add the gradient of ``loss``, α F (θ − θ̂), to the ``grad`` of each anchored weight.

        Args:
            parameters: By name, the current weights; names without an anchor are ignored.
            optimizer: If given, only the weights in its parameter groups get their gradient; for
                training with several optimisers that step in turn.

        Raises:
            ValueError: If an anchored weight is missing or has another shape.
        """
        current, anchors, strengths = self._select(parameters), self._anchors, self._strengths
        if optimizer is not None:
            trained = {id(p) for group in optimizer.param_groups for p in group["params"]}
            some = [k for k, theta in enumerate(current) if id(theta) in trained]
            if not some:
                return
            lists = (current, anchors, strengths)
            current, anchors, strengths = ([each[k] for k in some] for each in lists)
        gradients: list[Tensor] = []
        for theta in current:
            if theta.grad is None:
                theta.grad = torch.zeros_like(theta)
            gradients.append(theta.grad)
        drift = torch._foreach_sub(current, anchors)
        torch._foreach_addcmul_(gradients, strengths, drift)

    @torch.no_grad()
    def pull_(
        self,
        parameters: Mapping[str, Tensor],
        lr: float | torch.optim.Optimizer,
        *,
        momentum: float = 0.0,
    ) -> None:
        """Move each anchored weight towards its anchor: θ ← (θ + c θ̂)/(1 + c), c = lr α F.

        This is the proximal step of the loss, to be called after ``optimizer.step()``. The factors
        c/(1 + c) are cached until a learning rate changes.

        Args:
            parameters: By name, the current weights; names without an anchor are ignored.
            lr: Learning rate of the optimiser; or the optimiser itself, whose parameter groups each
                have a learning rate and momentum. Weights that it does not train are unchanged.
            momentum: μ of SGD, whose steps add up to lr/(1 − μ); the pull is scaled equally.

        Raises:
            ValueError: If an anchored weight is missing or has another shape, or if ``lr`` or
                ``momentum`` is out of range.
        """
        current = self._select(parameters)
        if isinstance(lr, torch.optim.Optimizer):
            steps = rates(lr, current)
        else:
            steps = [checked_rate(lr, momentum) / (1 - momentum)] * len(current)
        lerp_(current, self._anchors, self._shares_at(steps))

    @torch.no_grad()
    def sgd_step_(self, parameters: Mapping[str, Tensor], lr: float) -> None:
        """Take a step of plain SGD, θ ← θ − lr g, followed by that of ``pull_``.

        It replaces an optimiser, and is faster than the two steps, as each anchored weight is read
        from memory once for both. For weights with more than 262,144 elements it uses
        ``torch.compile``: the first call takes seconds and needs a C++ compiler, or Triton on a
        GPU.

        Args:
            parameters: By name, all weights to train; those without an anchor are not pulled.
            lr: Learning rate.

        Raises:
            ValueError: If an anchored weight is missing or has another shape, or if ``lr`` is out
                of range.
        """
        anchored = self._select(parameters)
        shares = self._shares_at([checked_rate(lr)] * len(anchored))
        for name, theta in parameters.items():
            if name not in self._held and theta.grad is not None:
                theta.add_(theta.grad, alpha=-lr)
        both = []
        for theta, anchor, share in zip(anchored, self._anchors, shares, strict=True):
            if theta.grad is None:
                lerp_([theta], [anchor], [share])
            else:
                both.append(SgdAndPull(theta, theta.grad, anchor, share))
        sgd_and_pull_(both, lr)

    def check_stable(self, lr: float, *, momentum: float = 0.0) -> None:
        """Raise an error for a strength at which ``add_gradient_`` or ``loss`` makes SGD diverge.

        Along a weight, the loss is a parabola of curvature α F. Gradient descent diverges on it if
        lr α F > 2, with momentum μ if lr α F > 2 (1 + μ). Call this once before training with
        ``torch.optim.SGD``. As the training loss adds curvature of its own, passing is necessary
        but not sufficient.

        Args:
            lr: Learning rate.
            momentum: μ of SGD.

        Raises:
            ValueError: If a weight would diverge; names its parameter. Also if ``lr`` or
                ``momentum`` is out of range.
        """
        limit = 2 * (1 + momentum)
        checked_rate(lr, momentum)
        largest = {name: held.strength.max().item() for name, held in self._held.items()}
        name = max(largest, key=largest.__getitem__)
        if lr * largest[name] > limit:
            raise ValueError(
                f"SGD diverges on {name!r}: lr α max F = {lr * largest[name]:.3g}, more than "
                f"{limit:g}; divide alpha by {lr * largest[name] / limit:.3g}, or use pull_ after "
                "the optimiser's step"
            )

    def _shares_at(self, steps: list[float]) -> list[Tensor]:
        """Compute c/(1 + c) for each weight, cached until a rate changes."""
        if steps != self._rates:
            # In double precision: lr α F may overflow in single precision.
            pulls = [
                step * held.double() for step, held in zip(steps, self._strengths, strict=True)
            ]
            self._shares = [
                (c / (1 + c)).to(w.dtype) for c, w in zip(pulls, self._strengths, strict=True)
            ]
            self._rates = steps
        return self._shares
