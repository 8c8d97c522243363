"""Sees each torch call of a forward pass and makes the layers' calls give their squares."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from wpl.fisher.accumulation.precision import full_precision
from wpl.fisher.accumulation.sums import Sums
from wpl.fisher.engines.attach import attached
from wpl.fisher.engines.follower import Follower
from wpl.fisher.engines.functions import kind_of
from wpl.fisher.engines.row_probe import replace_tensors, tensors_in
from wpl.fisher.engines.rows import FIRST, Rows
from wpl.fisher.engines.uses import Contribute, Uses
from wpl.fisher.layers.table import COMPOSED, LAYERS


class Recorder(Uses, Follower):
    """Follows the samples of a batch through a forward pass, and the weights that they meet.

    A known use of a weight is called with a stand-in that needs no gradient, so that autograd does
    not compute the weight's; from the call's input and the gradient of its output, the layer's
    function makes the squares instead. Where a call's input may hold the samples in another
    place than it says, or mix them, the weight is left to others (``unknown``).
    """

    def __init__(
        self, wanted: Iterable[Tensor], sums: Sums, batch: int, *, with_gradient: bool
    ) -> None:
        """See ``Uses``; there are at least two samples."""
        Uses.__init__(self, wanted, sums, batch, with_gradient=with_gradient)
        Follower.__init__(self, batch)
        self._wanted = list(wanted)
        self._taps: list[Tensor] = []

    def samples_in(self, tensor: Tensor) -> Rows | None:
        """See ``Uses``.

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

    def tap(self, out: Tensor, contribute: Contribute, *parameters: Tensor | None) -> Tensor:
        """See ``Uses``."""
        self.expect(*parameters)
        if not out.requires_grad:
            out, leaf = attached(out)
            self._taps.append(leaf)
        assert out.grad_fn is not None

        def receive(gradients: tuple[Tensor | None, ...]) -> None:
            if self._listening and gradients[0] is not None:
                self.receive(contribute(gradients[0]))

        out.grad_fn.register_prehook(receive)
        return out

    def anchor(self, like: Tensor) -> Tensor:
        """Give a leaf of the graph: the backward pass goes as far as there are such."""
        self._taps.append(like.new_zeros(()).requires_grad_())
        return self._taps[-1]

    def send_back(
        self, logits: Tensor, vector: Tensor, *, squares: bool, gradient: bool, keep: bool
    ) -> dict[int, Tensor]:
        """See ``Uses``; what was not seen may still give a parameter's gradient."""
        leaves = [(0, tap) for tap in self._taps]
        leaves += [(key, each) for key, each in self.stand_ins.items() if each.requires_grad]
        leaves += [(id(p), p) for p in self._wanted if gradient]
        if not leaves or not logits.requires_grad:
            return {}
        wanted = [leaf for _, leaf in leaves]
        self._listening = squares
        with full_precision(logits.device.type):
            found = torch.autograd.grad(
                logits, wanted, vector, retain_graph=keep, allow_unused=True
            )
        self._listening = False
        return _added_up([key for key, _ in leaves], found) if gradient else {}

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
        if kind.base in COMPOSED and torch.is_grad_enabled():
            with self:
                out = COMPOSED[kind.base](*args, **kwargs)
            if out is not None:
                return out
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


def _added_up(keys: Sequence[int], gradients: Sequence[Tensor | None]) -> dict[int, Tensor]:
    """Add up the gradients of the leaves that stand for one parameter; key 0 is for the others.

    Returns:
        The sums, each with a storage of its own.
    """
    total: dict[int, Tensor] = {}
    storages: set[int] = set()
    for key, gradient in zip(keys, gradients, strict=True):
        if not key or gradient is None:
            continue
        shared = gradient.data_ptr() in storages  # autograd may give two leaves one tensor
        storages.add(gradient.data_ptr())
        own = gradient.clone() if shared else gradient
        total[key] = total[key] + own if key in total else own
    return total
