"""ENAS: a controller draws architectures and learns from their rewards (Pham et al., 2018)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from wpl_lab.search.protocol import Genotype, Learning, Space
from wpl_lab.search.strategies.controller import Controller
from wpl_lab.search.strategies.reinforce import Reinforce
from wpl_lab.search.strategies.strategy_settings import Policy
from wpl_lab.seeding import generator


class Enas:
    """The strategy of ENAS.

    Attributes:
        controller: The distribution from which architectures are drawn.
    """

    def __init__(self, space: Space, policy: Policy, *, seed: int) -> None:
        """Start with a new controller.

        Args:
            space: The architectures.
            policy: How the controller learns.
            seed: Root seed of the run.
        """
        self._space, self._policy = space, policy
        self.controller = Controller(
            space.options,
            roles=space.roles,
            hidden=policy.hidden,
            temperature=policy.temperature,
            tanh_constant=policy.tanh_constant,
            generator=generator(seed, "search", "controller"),
        )
        self._reinforce = Reinforce(
            learning_rate=policy.learning_rate,
            entropy_weight=policy.entropy,
            decay=policy.baseline_decay,
        )

    def sample(self, random: torch.Generator) -> Genotype:
        """Draw an architecture from the controller."""
        with torch.no_grad():
            choices = self.controller.sample(1, generator=random).choices[0]
        return self._space.decode(choices.tolist())

    def learn(self, *, epoch: int, random: torch.Generator) -> Learning:
        """Update the controller towards architectures with high rewards (REINFORCE).

        Args:
            epoch: Its number, from 0.
            random: Source of the draws.

        Yields:
            Architectures, step by step, of which the rewards are sent back.

        Returns:
            A row per step: the mean reward, the baseline, the entropy in nats.
        """
        rows = []
        for number in range(self._policy.steps):
            samples = self.controller.sample(self._policy.samples, generator=random)
            genotypes = [self._space.decode(choices) for choices in samples.choices.tolist()]
            rewards = yield genotypes
            learnt = self._reinforce.step(self.controller, samples, torch.tensor(rewards))
            rows.append(
                {
                    "step": epoch * self._policy.steps + number,
                    "reward": sum(rewards) / len(rewards),
                    "baseline": learnt["baseline"],
                    "entropy": learnt["entropy"],
                }
            )
        return rows

    def tensors(self) -> dict[str, Tensor]:
        """Copy the weights and the state of the optimiser; as in ``Strategy.tensors``."""
        weights = {f"controller.{n}": t.clone() for n, t in self.controller.state_dict().items()}
        return weights | {f"reinforce.{n}": t for n, t in self._reinforce.state().items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from a saved state; as in ``Strategy.load``."""
        parts: dict[str, dict[str, Tensor]] = {"controller": {}, "reinforce": {}}
        for name, tensor in tensors.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = tensor
        self.controller.load_state_dict(parts["controller"])
        self._reinforce.load_state(parts["reinforce"])
