"""Searches side by side in one epoch: their shared weights, stacked in one tensor per name."""

from collections.abc import Sequence

import torch

from wpl.plasticity import WeightPlasticity
from wpl_lab.arm import Arm
from wpl_lab.search.descent import Divergence
from wpl_lab.search.memory import Memory
from wpl_lab.search.protocol import Tensors
from wpl_lab.search.settings import Plasticity
from wpl_lab.search.state import State


class Stack:
    """What an epoch changes in several searches; their states are updated when it has succeeded.

    Attributes:
        states: The states of the searches before the epoch.
        weights: By name, the shared weights, ``(run, ...)``.
        memory: Anchor and Fisher information; None if earlier children are not protected.
        plasticity: How earlier children are protected; None if they are not.
        work: For each run, the budget used.
        diverged: By run, the child that diverged first in this epoch.
    """

    def __init__(self, states: Sequence[State], *, arm: Arm, plasticity: Plasticity | None) -> None:
        """Stack copies of what an epoch changes.

        Args:
            states: Of the searches, all before the same epoch.
            arm: The remedy for forgetting.
            plasticity: How earlier children are protected; None if they are not.
        """
        self.states, self.plasticity = states, plasticity
        self.weights = _stacked([state.weights for state in states])
        self.memory: Memory | None = None
        if plasticity is not None:
            self.memory = Memory(
                _stacked([state.fisher for state in states]),
                _stacked([state.anchor for state in states]),
                arm=arm,
                rate=plasticity.rate,
                largest_norm=plasticity.largest_norm,
            )
        self.work = [state.work for state in states]
        self.diverged: dict[int, Divergence] = {}

    @property
    def epoch(self) -> int:
        """Number of the epoch, from 0."""
        return self.states[0].epoch

    @property
    def sound(self) -> list[int]:
        """The runs that have not diverged in this epoch."""
        return [run for run in range(len(self.states)) if run not in self.diverged]

    def generators(self, purpose: str, device: torch.device | str = "cpu") -> list[torch.Generator]:
        """Make, for each run, the generator for one purpose in this epoch."""
        return [state.generator(purpose, device) for state in self.states]

    def penalties(
        self, names: Sequence[Sequence[str]], epochs: int
    ) -> Sequence[WeightPlasticity | None]:
        """Make the weight plasticity loss of each run, with the strength of this epoch.

        Args:
            names: For each run, the weights that its children use.
            epochs: Number of epochs of the search.

        Returns:
            One loss for each run, None where it has no protected weight; empty in arms without one.
        """
        if self.memory is None or self.plasticity is None:
            return []
        alpha = self.plasticity.alpha_at(self.epoch, epochs)
        return self.memory.penalties(names, alpha) if alpha > 0 else []

    def put_back(self, run: int, divergence: Divergence) -> None:
        """Restore a run that has diverged to its state from before the epoch.

        It continues beside the others with finite numbers, which are not used.

        Args:
            run: Its number in the stack.
            divergence: The divergence; the first one of an epoch is recorded.
        """
        self.diverged.setdefault(run, divergence)
        for own, stacked in self._tensors(run):
            for name, tensor in own.items():
                stacked[name][run] = tensor

    def unstack(self, run: int) -> None:
        """Copy the results of the epoch into the state of a run."""
        for own, stacked in self._tensors(run):
            for name, tensor in own.items():
                tensor.copy_(stacked[name][run])
        self.states[run].work = self.work[run]

    def _tensors(self, run: int) -> list[tuple[Tensors, Tensors]]:
        """Pair the tensors of a run's state with those of the stack."""
        state = self.states[run]
        pairs = [(state.weights, self.weights)]
        if self.memory is not None:
            pairs += [(state.fisher, self.memory.fisher), (state.anchor, self.memory.anchor)]
        return pairs


def _stacked(tensors: Sequence[Tensors]) -> Tensors:
    return {name: torch.stack([of[name] for of in tensors]) for name in tensors[0]}
