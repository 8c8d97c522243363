"""The anchors of one or several tasks, stored as one anchor and one strength for each weight."""

from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor

from wpl.plasticity_checks import (
    alpha_times,
    check_finite,
    check_not_negative,
    check_present,
    check_shape,
)
from wpl.quadratic import Anchored, added, grown, replaced


class Anchors:
    """Holds the weights of tasks that were trained one after another.

    Each task k adds α_k/2 Σ_i F_k,i (θ_i − θ̂_k,i)². The sum over tasks is again of that form,
    up to a constant, so that many tasks take no more time or memory than one.
    """

    def __init__(
        self, anchor: Mapping[str, Tensor], fisher: Mapping[str, Tensor], alpha: float | Tensor
    ) -> None:
        """Keep copies of the anchor and of α F.

        Args:
            anchor: By name, the values θ̂ to hold, of any shapes.
            fisher: By name, the importance F ≥ 0, in the shapes of ``anchor``.
            alpha: The strength α ≥ 0. A tensor ``(n)`` gives each of n models that are stacked
                along the first dimension of every weight its own strength.

        Raises:
            ValueError: If names or shapes of ``anchor`` and ``fisher`` differ, if the anchor is not
                finite, if the Fisher information or α is negative or not finite, or if α has
                another shape.
        """
        self._hold(_task(anchor, fisher, alpha), None)

    def add_anchor(
        self, anchor: Mapping[str, Tensor], fisher: Mapping[str, Tensor], alpha: float | Tensor
    ) -> None:
        """Hold another task's weights as well, as EWC does with one penalty for each task.

        Args:
            anchor: By name, θ̂. Names may be new, and a weight may have a larger shape than before,
                grown at the end of its dimensions, as a head with new classes does.
            fisher: By name, F ≥ 0, in the shapes of ``anchor``.
            alpha: As in the constructor, for this task.

        Raises:
            ValueError: As in the constructor, or if a weight has shrunk.
        """
        held, constant = dict(self._held), self._constant
        for name, new in _task(anchor, fisher, alpha).items():
            if name not in held:
                held[name] = new
                continue
            held[name], more = added(grown(name, held[name], new.anchor), new)
            constant = more if constant is None else constant + more
        self._hold(held, constant)

    def move_anchor(
        self,
        anchor: Mapping[str, Tensor],
        fisher: Mapping[str, Tensor],
        alpha: float | Tensor,
        *,
        decay: float,
    ) -> None:
        """Hold the weights where they are after another task, as online EWC does.

        The strength becomes γ times that of before, plus α F of this task (Schwarz et al.,
        "Progress & Compress", 2018).

        Args:
            anchor: As in ``add_anchor``. Weights that it does not name keep their anchors.
            fisher: As in ``add_anchor``.
            alpha: As in ``add_anchor``.
            decay: γ in [0, 1], the factor on the earlier strength of every weight.

        Raises:
            ValueError: As in ``add_anchor``, or if ``decay`` is out of range.
        """
        if not 0 <= decay <= 1:
            raise ValueError(f"decay must lie in [0, 1]; got {decay}")
        task, held = _task(anchor, fisher, alpha), {}
        for name, old in self._held.items():
            new = task.pop(name, Anchored(old.anchor, torch.zeros_like(old.strength)))
            held[name] = replaced(grown(name, old, new.anchor), new, decay)
        self._hold(held | task, None)

    def grow(self, parameters: Mapping[str, Tensor]) -> None:
        """Extend the anchors to weights that have grown, as a head with new classes has.

        Args:
            parameters: By name, the current weights, in their new shapes. New entries, at the end
                of the dimensions, are free.

        Raises:
            ValueError: If an anchored weight is missing or has shrunk.
        """
        held = {}
        for name, old in self._held.items():
            check_present(name, parameters)
            held[name] = grown(name, old, parameters[name])
        self._hold(held, self._constant)

    def place(self, parameters: Mapping[str, Tensor]) -> None:
        """Move the anchors to the devices of the weights, and check names and shapes.

        Args:
            parameters: By name, the current weights.

        Raises:
            ValueError: If an anchored weight is missing or has another shape.
        """
        devices = [theta.device for theta in self._select(parameters)]
        held = zip(self._held.items(), devices, strict=True)
        self._hold({name: _on(device, one) for (name, one), device in held}, self._constant)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the state as tensors by name, which a safetensors file can hold.

        Returns:
            ``anchor.NAME`` and ``strength.NAME``, α F, in the shape of each weight; and
            ``constant``, a scalar.
        """
        state = {f"anchor.{name}": held.anchor for name, held in self._held.items()}
        state |= {f"strength.{name}": held.strength for name, held in self._held.items()}
        return state if self._constant is None else {**state, "constant": self._constant}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Replace all anchors and strengths by copies of those in a state.

        Args:
            state: As returned by ``state_dict``, in the same shapes. Weights that have an anchor
                already stay on their devices.

        Raises:
            ValueError: If an entry is missing, unknown or invalid; then nothing is changed.
        """
        constant = state.get("constant")
        names = [key.removeprefix("anchor.") for key in state if key.startswith("anchor.")]
        expected = {f"{part}.{name}" for part in ("anchor", "strength") for name in names}
        for key in sorted(expected ^ (state.keys() - {"constant"})):
            what = "missing from" if key in expected else "unknown in"
            raise ValueError(f"{key!r} is {what} the state of the plasticity loss")
        ones = {name: state[f"strength.{name}"] for name in names}
        held = _task({name: state[f"anchor.{name}"] for name in names}, ones, 1.0)
        for name in held.keys() & self._held.keys():
            held[name] = _on(self._held[name].anchor.device, held[name])
        self._hold(held, None if constant is None else constant.detach().clone())

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> Self:
        """Make one from a state, on the devices of its tensors.

        Args:
            state: As returned by ``state_dict``, in the same shapes.

        Returns:
            A copy of the object that ``state_dict`` was called on.
        """
        made = cls.__new__(cls)
        made._held = {}
        made.load_state_dict(state)
        return made

    def _hold(self, held: dict[str, Anchored], constant: Tensor | None) -> None:
        self._held, self._constant = held, constant
        self._anchors = [one.anchor for one in held.values()]
        self._strengths = [one.strength for one in held.values()]
        self._rates: list[float] = []
        self._shares: list[Tensor] = []

    def _select(self, parameters: Mapping[str, Tensor]) -> list[Tensor]:
        """Look up the anchored weights, in the order of the anchors."""
        for name, held in self._held.items():
            check_present(name, parameters)
            if parameters[name].shape != held.anchor.shape:  # formatting the message takes time
                check_shape(f"the weight {name!r}", parameters[name], held.anchor)
        return [parameters[name] for name in self._held]


def _on(device: torch.device, one: Anchored) -> Anchored:
    return Anchored(one.anchor.to(device), one.strength.to(device))


def _task(
    anchor: Mapping[str, Tensor], fisher: Mapping[str, Tensor], alpha: float | Tensor
) -> dict[str, Anchored]:
    """Check and copy the anchors of one task."""
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
    return {
        name: Anchored(a.detach().clone(), alpha_times(strength, name, fisher[name].detach(), a))
        for name, a in anchor.items()
    }
