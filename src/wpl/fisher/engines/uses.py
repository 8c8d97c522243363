"""What a layer needs to know of the forward pass that it is called in."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor

from wpl.fisher.accumulation.precision import precise
from wpl.fisher.accumulation.sum import Contribution
from wpl.fisher.accumulation.sums import Sums
from wpl.fisher.engines.rows import Rows

# From the gradient of a layer's output, makes what each wanted parameter's use contributes.
Contribute = Callable[[Tensor], Iterable[tuple[Tensor, Contribution]]]


class Uses(ABC):
    """The uses of the wanted parameters in one forward pass, and where their squares go."""

    def __init__(
        self, wanted: Iterable[Tensor], sums: Sums, batch: int, *, with_gradient: bool
    ) -> None:
        """Prepare for one forward pass.

        Args:
            wanted: The parameters.
            sums: Where their squares go.
            batch: Number of samples.
            with_gradient: Whether a backward pass shall be able to give the gradient, too.
        """
        self.batch, self.sums = batch, sums
        self.unknown: set[int] = set()
        self.stand_ins: dict[int, Tensor] = {}
        self.with_gradient = with_gradient
        self._listening = False
        self._uses = {id(p): 0 for p in wanted}

    @abstractmethod
    def samples_in(self, tensor: Tensor) -> Rows | None:
        """Find the samples in the input of a layer.

        Returns:
            Their place, or None if there is none to be sure of.
        """

    @abstractmethod
    def tap(self, out: Tensor, contribute: Contribute, *parameters: Tensor | None) -> Tensor:
        """Have squares made when the gradient of a layer's output is there.

        Args:
            out: The output, just computed.
            contribute: Makes them.
            parameters: Those that may be wanted.

        Returns:
            The output to go on with.
        """

    @abstractmethod
    def send_back(
        self, logits: Tensor, vector: Tensor, *, squares: bool, gradient: bool, keep: bool
    ) -> dict[int, Tensor]:
        """Send a vector from the logits back, as far as the wanted parameters reach.

        Args:
            logits: What the forward pass gave.
            vector: In their shape.
            squares: Whether its squares shall be added.
            gradient: Whether the gradient is wanted.
            keep: Whether more vectors follow.

        Returns:
            By id, the gradients of the parameters that have one, if they are wanted.
        """

    def wants(self, parameter: Tensor) -> bool:
        """Tell whether the squares of a parameter are still to be made from its uses."""
        return id(parameter) in self._uses and id(parameter) not in self.unknown

    def is_parameter(self, value: object) -> bool:
        """Tell whether a value is one of the wanted parameters."""
        return id(value) in self._uses

    def used_once(self, parameter: object) -> bool:
        """Tell whether a parameter is left to others or has one use."""
        return self._uses.get(id(parameter), 0) <= 1

    def stand_in(self, parameter: Any) -> Any:
        """Give what a layer shall use in place of a parameter; anything else is given back."""
        key = id(parameter)
        if key not in self._uses:
            return parameter
        if key not in self.stand_ins:
            alias = parameter.detach()
            self.stand_ins[key] = alias.requires_grad_() if self.with_gradient else alias
        return self.stand_ins[key]

    def split(self, tensor: Tensor, place: Rows) -> Tensor:
        """Bring ``(..., feature)`` into ``(sample, position, feature)``, in single precision."""
        return precise(place.split(tensor, self.batch))

    def expect(self, *parameters: Tensor | None) -> None:
        """Count one more use of some parameters."""
        for parameter in parameters:
            if id(parameter) in self._uses:
                self._uses[id(parameter)] += 1

    def receive(self, contributions: Iterable[tuple[Tensor, Contribution]]) -> None:
        """Pass contributions on to the sums; they are made as they are asked for."""
        if self._listening:
            for parameter, contribution in contributions:
                key = id(parameter)
                self.sums.deliver(key, contribution, self._uses[key])
