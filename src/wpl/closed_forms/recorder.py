"""Sees each torch call of a forward pass and makes the layers' calls give their squares."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from wpl.closed_forms.layers import LAYERS
from wpl.closed_forms.row_probe import probe, replace_tensors, tensors_in
from wpl.closed_forms.row_rules import CONSTANT, RULES, place_in_item
from wpl.closed_forms.rows import FIRST, MIXED, Mixed, Place, Rows, precise
from wpl.closed_forms.sums import Contribution, Sums

Contribute = Callable[[Tensor], Iterable[tuple[Tensor, Contribution]]]
_MARK = "_wpl_place"
# Their result decides for all samples at once what the program does next.
_DECIDES = frozenset(
    "item tolist numpy equal allclose is_nonzero __bool__ __float__ __int__ __index__".split()
)
_VIEWS = frozenset("T mT H mH data real imag grad".split())


class Recorder(TorchFunctionMode):
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
        super().__init__()
        self.batch, self.sums = batch, sums
        self.unknown: set[int] = set()
        self.stand_ins: dict[int, Tensor] = {}
        self.taps: list[Tensor] = []
        self.listening = False
        self._parameters = {id(p): p for p in wanted}
        self._device = next(iter(self._parameters.values())).device.type
        self._with_gradient = with_gradient
        self._uses = dict.fromkeys(self._parameters, 0)
        self._token = object()
        self._sound = True

    # What the layers' functions need.

    def wants(self, parameter: Tensor) -> bool:
        """Tell whether the squares of a parameter are still to be made from its uses."""
        return id(parameter) in self._parameters and id(parameter) not in self.unknown

    def is_parameter(self, value: object) -> bool:
        """Tell whether a value is one of the wanted parameters."""
        return id(value) in self._parameters

    def stand_in(self, parameter: Any) -> Any:
        """Give what a layer shall use in place of a parameter; anything else is given back."""
        key = id(parameter)
        if key not in self._parameters:
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
        if place is None and tensor.ndim > 1 and len(tensor) == self.batch:
            if not tensor.requires_grad and bool((tensor == tensor[:1]).all()):
                self.mark(tensor, FIRST)
                return FIRST
        return None

    def split(self, tensor: Tensor, place: Rows) -> Tensor:
        """Bring ``(..., feature)`` into ``(sample, position, feature)``, in single precision."""
        return precise(place.split(tensor, self.batch))

    def save(self, tensor: Tensor) -> Callable[[], Tensor]:
        """Keep an input for the backward pass.

        Returns:
            What gives it, or raises a RuntimeError if it was changed in place since.
        """
        kept, version = tensor.detach(), tensor._version

        def saved() -> Tensor:
            if kept._version != version:
                raise RuntimeError(
                    f"the input {tuple(kept.shape)} of a layer was changed in place after the layer "
                    "used it; its weights then have no gradient"
                )
            return kept

        return saved

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
            out = _Attach.apply(out, self.anchor(out))
        out.register_hook(lambda gradient: self.receive(contribute(gradient)))
        return out

    def expect(self, *parameters: Tensor | None) -> None:
        """Count one more use of some parameters."""
        for parameter in parameters:
            if id(parameter) in self._uses:
                self._uses[id(parameter)] += 1

    def anchor(self, like: Tensor) -> Tensor:
        """Give a leaf of the graph: the backward pass goes as far as there are such."""
        if not self.taps:
            self.taps.append(like.new_zeros(()).requires_grad_())
        return self.taps[0]

    def receive(self, contributions: Iterable[tuple[Tensor, Contribution]]) -> None:
        """Pass contributions on to the sums."""
        if not self.listening:
            return
        with torch.no_grad(), self._full_precision():
            for parameter, contribution in contributions:
                if self.wants(parameter):
                    key = id(parameter)
                    self.sums.deliver(key, contribution, self._uses[key])

    def _full_precision(self) -> AbstractContextManager[None]:
        if torch.is_autocast_enabled(self._device):
            return torch.autocast(self._device, enabled=False)
        return nullcontext()

    # Where the samples are.

    def place(self, tensor: Tensor) -> Place | None:
        """Look up where the samples are in a tensor; None if it does not depend on them."""
        mark = getattr(tensor, _MARK, None)
        if mark is not None and mark[0] is self._token:
            place: Place | None = mark[1]
            return place
        if tensor.requires_grad and id(tensor) not in self._parameters:
            return MIXED  # made in a way that was not seen
        return None

    def mark(self, tensor: Tensor, place: Place | None) -> None:
        """Note where the samples are in a tensor."""
        setattr(tensor, _MARK, (self._token, place))

    def is_sound(self, logits: Tensor) -> bool:
        """Tell whether each row of the logits is known to depend on its own sample only."""
        return self._sound and self.place(logits) == FIRST

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a function, or what a layer has in its place, and follow the samples."""
        kwargs = kwargs or {}
        name = func.__name__
        if name == "__get__":
            name = func.__self__.__name__  # type: ignore[attr-defined]
            if name not in _VIEWS:
                return func(*args, **kwargs)
        tensors = [*tensors_in(args), *tensors_in(kwargs)]
        out = self._call(name.strip("_"), func, args, kwargs, tensors)
        if name == "__iter__":
            out = list(out)
        self._follow(name, func, args, kwargs, tensors, out)
        return iter(out) if name == "__iter__" else out

    def _call(
        self,
        name: str,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        tensors: list[Tensor],
    ) -> Any:
        used = [t for t in tensors if id(t) in self._parameters]
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

    def _follow(
        self,
        name: str,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        tensors: list[Tensor],
        out: Any,
    ) -> None:
        base = name.strip("_")
        places = [(t, self.place(t)) for t in tensors]
        mixed = any(isinstance(place, Mixed) for _, place in places)
        marked = [(t, place) for t, place in places if isinstance(place, Rows)]
        if not marked and not mixed:
            for result in tensors_in(out):
                if result.requires_grad and not self.is_parameter(result):
                    self.mark(result, None)
            return
        if name in _DECIDES:
            self._sound = False
        if name == "__setitem__":
            self._follow_setitem(args, MIXED if mixed else None)
            return
        if base in CONSTANT:
            return
        changed = args[0] if _is_in_place(name) and args else kwargs.get("out")
        results = tensors_in(out)
        if mixed:
            found: list[Place] = [MIXED] * len(results)
        else:
            found = self._find(base, func, args, kwargs, marked, results, changed is not None)
        for result, place in zip(results, found, strict=True):
            if result is changed:
                self._change(result, place)
            else:
                self.mark(result, place)

    def _find(
        self,
        name: str,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        marked: list[tuple[Tensor, Rows]],
        results: list[Tensor],
        in_place: bool,
    ) -> list[Place]:
        rule = RULES.get(name)
        found: list[Place] = []
        for result in results if rule is not None else []:
            place = rule(args, kwargs, marked, result, self.batch)  # type: ignore[misc]
            if place is None:
                break
            fits = isinstance(place, Rows) and place.fits(result.shape, self.batch)
            found.append(place if fits else MIXED)
        if len(found) == len(results):
            return found
        if in_place:
            return [MIXED] * len(results)
        return probe(func, args, kwargs, self.place, results, self.batch)

    def _follow_setitem(self, args: tuple[Any, ...], place: Place | None) -> None:
        target, index, value = args
        if place is None and isinstance(value, Tensor) and isinstance(self.place(value), Rows):
            part = target[index]
            source = self.place(value)
            assert isinstance(source, Rows)
            inside = source.moved(part.ndim - value.ndim + source.dim)
            here = self.place(target)
            dims = range(target.ndim) if here is None else [here.dim]  # type: ignore[union-attr]
            for dim in dims:
                row = Rows(dim, source.outer, source.inner)
                if row.fits(target.shape, self.batch) and place_in_item(
                    target, row, index
                ) == inside:
                    place = row
        elif place is None and not tensors_in(index):
            place = self.place(target)  # constants go into some positions
            items = index if isinstance(index, tuple) else (index,)
            if place is None or place_in_item(target, place, items) in (None, MIXED):  # type: ignore[arg-type]
                place = MIXED
        self._change(target, place or MIXED)

    def _change(self, tensor: Tensor, place: Place) -> None:
        """Note what a tensor holds after a change in place; its views would not know."""
        mark = getattr(tensor, _MARK, None)
        before = mark[1] if mark is not None and mark[0] is self._token else None
        if before != place and tensor._base is not None:
            self._sound = False
        self.mark(tensor, place)


def _is_in_place(name: str) -> bool:
    if name.startswith("__"):
        return name.startswith("__i") and name not in {"__invert__", "__iter__", "__index__", "__int__"}
    return name.endswith("_")


class _Attach(torch.autograd.Function):
    """Makes a tensor that needs no gradient part of the graph, without a copy."""

    @staticmethod
    def forward(ctx: Any, out: Tensor, anchor: Tensor) -> Tensor:
        """Give the tensor back."""
        ctx.mark_dirty(out)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None]:
        """End here."""
        return None, None
