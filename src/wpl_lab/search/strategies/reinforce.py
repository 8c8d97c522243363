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

    The policy gradient of Williams (1992), with a baseline b that the samples must not determine:

        −mean_n [ (R_n + w S_n − b) log π(a_n) + w S_n ]

    in which the first S_n, the entropy along the sample, is held constant. ENAS adds the entropy to
    the reward, as the first term does; the second makes the gradient of H(π) complete.

    Args:
        samples: Drawn from π.
        rewards: R, ``(count)``.
        baseline: b.
        entropy_weight: w.

    Returns:
        The loss, a scalar.
    """
    bonus = entropy_weight * samples.entropy
    advantage = rewards + bonus.detach() - baseline
    return -(advantage * samples.log_probability + bonus).mean()


class Reinforce:
    """How the controller learns: the baseline and the state of Adam, which outlive an epoch."""

    def __init__(
        self,
        *,
        learning_rate: float = 0.00035,
        entropy_weight: float = 0.0001,
        decay: float = 0.95,
        clip: float | None = None,
    ) -> None:
        """Begin without a baseline.

        Args:
            learning_rate: Of Adam.
            entropy_weight: w, of the entropy in what is maximised.
            decay: Share of the baseline that a step keeps.
            clip: Largest norm of the gradient, if it is limited.
        """
        self._learning_rate, self._entropy_weight = learning_rate, entropy_weight
        self._decay, self._clip = decay, clip
        self._state: dict[str, Tensor] = {}

    def step(self, controller: Controller, samples: Samples, rewards: Tensor) -> dict[str, float]:
        """Move the controller once towards what was rewarded.

        The baseline is the running average of R + w · S over the steps before this one; at the
        first step it is their mean over the samples, so that a lone first sample only sets it.

        Args:
            controller: Its weights are changed in place.
            samples: Drawn from it as it is now.
            rewards: One for each sample, ``(count)``.

        Returns:
            ``loss``; ``baseline``, as the next step will use it; ``entropy``, mean of the samples.

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
        """Give all that the next step depends on, beside the controller: empty before the first.

        Returns:
            Copies, by name.
        """
        return {name: value.clone() for name, value in self._state.items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what ``state`` gave."""
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
