"""Sees each torch call of a forward pass and makes the layers' calls give their squares."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from wpl.closed_forms.attach import attached
from wpl.closed_forms.follower import Follower
from wpl.closed_forms.functions import kind_of
from wpl.closed_forms.layers import LAYERS
from wpl.closed_forms.precision import precise
from wpl.closed_forms.row_probe import replace_tensors, tensors_in
from wpl.closed_forms.rows import FIRST, Rows
from wpl.closed_forms.sum import Contribution
from wpl.closed_forms.sums import Sums

Contribute = Callable[[Tensor], Iterable[tuple[Tensor, Contribution]]]


class Recorder(Follower):
    """Follows the samples of a batch through a forward pass, and the weights that they meet.

    A known use of a weight is called with a stand-in that needs no gradient, so that autograd does
    not compute the weight's; from the call's input and the gradient of its output, the layer's
    function makes the squares instead. Where a call's input may hold the samples in another
    place than it says, or mix them, the weight is left to others (``unknown``).
    """

    def __init__(
        self, wanted: Iterable[Tensor], sums: Sums, batch: int, *, with_gradient: bool
    ) -> None:
        """Prepare for one forward pass.

        Args:
            wanted: The parameters.
            sums: Where their squares go.
            batch: Number of samples, at least two.
            with_gradient: Whether ``stand_ins`` shall get the gradient, too.
        """
        super().__init__(batch)
        self.sums = sums
        self.unknown: set[int] = set()
        self.stand_ins: dict[int, Tensor] = {}
        self.taps: list[Tensor] = []
        self.listening = False
        self._with_gradient = with_gradient
        self._uses = {id(p): 0 for p in wanted}

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
            self.stand_ins[key] = alias.requires_grad_() if self._with_gradient else alias
        return self.stand_ins[key]

    def samples_in(self, tensor: Tensor) -> Rows | None:
        """Find the samples in the input of a layer.

        An input that does not depend on the samples may still have a row for each, like the state
        that a recurrent cell starts from: all rows are equal. The place then holds if what follows
        agrees with it; if it does not, the samples are seen to meet.

        Returns:
            Their place, or None if there is none to be sure of.
        """
        place = self.place(tensor)
        if isinstance(place, Rows):
            return place
        constant = place is None and not tensor.requires_grad
        if not constant or tensor.ndim < 2 or len(tensor) != self.batch:
            return None
        if not (tensor == tensor[:1]).all():
            return None
        self.mark(tensor, FIRST)
        return FIRST

    def split(self, tensor: Tensor, place: Rows) -> Tensor:
        """Bring ``(..., feature)`` into ``(sample, position, feature)``, in single precision."""
        return precise(place.split(tensor, self.batch))

    def tap(self, out: Tensor, contribute: Contribute, *parameters: Tensor | None) -> Tensor:
        """Have squares made when the gradient of a layer's output is there.

        Args:
            out: The output, just computed.
            contribute: From its gradient, makes what each wanted parameter's use contributes.
            parameters: Those that may be wanted.

        Returns:
            The output to go on with.
        """
        self.expect(*parameters)
        if not out.requires_grad:
            out, leaf = attached(out)
            self.taps.append(leaf)
        assert out.grad_fn is not None

        def receive(gradients: tuple[Tensor | None, ...]) -> None:
            if self.listening and gradients[0] is not None:
                self.receive(contribute(gradients[0]))

        out.grad_fn.register_prehook(receive)
        return out

    def expect(self, *parameters: Tensor | None) -> None:
        """Count one more use of some parameters."""
        for parameter in parameters:
            if id(parameter) in self._uses:
                self._uses[id(parameter)] += 1

    def anchor(self, like: Tensor) -> Tensor:
        """Give a leaf of the graph: the backward pass goes as far as there are such."""
        self.taps.append(like.new_zeros(()).requires_grad_())
        return self.taps[-1]

    def receive(self, contributions: Iterable[tuple[Tensor, Contribution]]) -> None:
        """Pass contributions on to the sums; they are made as they are asked for."""
        if self.listening:
            for parameter, contribution in contributions:
                key = id(parameter)
                self.sums.deliver(key, contribution, self._uses[key])

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a function, or what a layer has in its place, and follow the samples."""
        kwargs = kwargs or {}
        kind = kind_of(func)
        if kind.about_shape:
            return func(*args, **kwargs)
        tensors = tensors_in(args)
        if kwargs:
            tensors += tensors_in(kwargs)
        changes = kind.in_place or "out" in kwargs
        places = [self.place(t) for t in tensors] if changes else None
        out = self._call(kind.base, func, args, kwargs, tensors)
        if places is None:
            if self.follow_known(kind, args, kwargs, tensors, out):
                return out
            places = [self.place(t) for t in tensors]  # a layer may have found samples
        if kind.name == "__iter__":
            out = list(out)
            self.follow(func, args, kwargs, tensors, places, out)
            return iter(out)
        self.follow(func, args, kwargs, tensors, places, out)
        return out

    def _call(
        self,
        name: str,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        tensors: list[Tensor],
    ) -> Any:
        used = [t for t in tensors if id(t) in self._uses]
        if not used or not torch.is_grad_enabled():
            return func(*args, **kwargs)
        layer = LAYERS.get(name)
        if layer is not None:
            out = layer(self, func, *args, **kwargs)
            if out is not None:
                return out
        out = func(
            *replace_tensors(args, self.stand_in),
            **replace_tensors(kwargs, self.stand_in),
        )
        if tensors_in(out) and name not in {"detach", "data"}:
            self.unknown.update(id(t) for t in used)
        return out
