"""How the controller of ENAS learns from rewards.

Source: Pham et al., "Efficient Neural Architecture Search via Parameter Sharing" (2018), section
2.2, and the authors' code.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from wpl_lab.adam import adam_step_
from wpl_lab.search.strategies.controller import Controller, Samples


def reinforce_loss(
    samples: Samples, rewards: Tensor, *, baseline: float, entropy_weight: float
) -> Tensor:
    """Compute a loss whose gradient is, in expectation, that of −(E[R] + w · H(π)).

    The policy gradient of Williams (1992), with a baseline b that does not depend on the samples:

        −mean_n [ (R_n + w S_n − b) log π(a_n) + w S_n ]

    The first S_n, the entropy along the sample, is treated as a constant. ENAS adds the entropy to
    the reward, as in the first term; the second completes the gradient of H(π).

    Args:
        samples: Drawn from π.
        rewards: R ``(count)``.
        baseline: b.
        entropy_weight: w.

    Returns:
        The loss, a scalar.
    """
    bonus = entropy_weight * samples.entropy
    advantage = rewards + bonus.detach() - baseline
    return -(advantage * samples.log_probability + bonus).mean()


class Reinforce:
    """The optimiser of the controller: baseline and state of Adam, kept between epochs."""

    def __init__(
        self,
        *,
        learning_rate: float = 0.00035,
        entropy_weight: float = 0.0001,
        decay: float = 0.95,
        clip: float | None = None,
    ) -> None:
        """Start without a baseline.

        Args:
            learning_rate: Learning rate of Adam.
            entropy_weight: w, the weight of the entropy in the objective.
            decay: Decay of the baseline, a moving average.
            clip: Gradient-clipping norm; None for no clipping.
        """
        self._learning_rate, self._entropy_weight = learning_rate, entropy_weight
        self._decay, self._clip = decay, clip
        self._state: dict[str, Tensor] = {}

    def step(self, controller: Controller, samples: Samples, rewards: Tensor) -> dict[str, float]:
        """Update the controller once.

        The baseline is the moving average of R + w · S over the earlier steps; at the first step it
        is the mean over the samples, so that a single first sample only sets the baseline.

        Args:
            controller: Its weights are changed in place.
            samples: Drawn from its current distribution.
            rewards: One for each sample, ``(count)``.

        Returns:
            ``loss``; ``baseline``, the one of the next step; ``entropy``, the mean over the
            samples.

        Raises:
            ValueError: If there is not one finite reward for each sample.
        """
        rewards = rewards.detach().to(samples.log_probability)
        if rewards.shape != samples.log_probability.shape or not rewards.isfinite().all():
            raise ValueError(
                f"{len(samples.choices)} samples need one finite reward each; got {rewards}"
            )
        entropy = samples.entropy.detach().mean()
        mean = (rewards.mean() + self._entropy_weight * entropy).double().cpu()
        baseline = self._state.get("baseline", mean)
        loss = reinforce_loss(
            samples, rewards, baseline=baseline.item(), entropy_weight=self._entropy_weight
        )
        self._adam(controller, loss)
        self._state["baseline"] = self._decay * baseline + (1 - self._decay) * mean
        return {
            "loss": loss.item(),
            "baseline": self._state["baseline"].item(),
            "entropy": entropy.item(),
        }

    def state(self) -> dict[str, Tensor]:
        """Return the state besides the controller; empty before the first step.

        Returns:
            Copies by name: moments in the shapes of the weights, and scalars.
        """
        return {name: value.clone() for name, value in self._state.items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a saved state.

        Args:
            state: By name, as returned by ``state``, in the same shapes.
        """
        self._state = {name: value.clone() for name, value in state.items()}

    def _adam(self, controller: Controller, loss: Tensor) -> None:
        named = dict(controller.named_parameters())
        gradients = list(torch.autograd.grad(loss, list(named.values())))
        if self._clip is not None:
            scale = (self._clip / get_total_norm(gradients)).clamp(max=1)
            gradients = [gradient * scale for gradient in gradients]
        for name, parameter in named.items():
            for key in (f"mean.{name}", f"square.{name}"):
                moment = self._state.get(key, torch.zeros_like(parameter))
                self._state[key] = moment.to(parameter.device)  # a loaded one is on the CPU
        steps = self._state.setdefault("steps", torch.zeros(()))
        adam_step_(
            list(named.values()),
            gradients,
            [self._state[f"mean.{name}"] for name in named],
            [self._state[f"square.{name}"] for name in named],
            [steps.clone() for _ in named],
            learning_rate=self._learning_rate,
        )
        steps += 1
