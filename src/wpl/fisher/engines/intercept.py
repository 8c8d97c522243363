"""Intercepts each torch call of a forward pass under ``torch.vmap``, to separate the samples.

functorch tracks the samples: a tensor that depends on them is batched. A tensor that is combined
with them without being batched and that needs a gradient is a weight: a wanted parameter, or
computed from such parameters alone.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._C import _functorch as functorch
from torch.autograd import Function
from torch.overrides import TorchFunctionMode

from wpl.fisher.accumulation.squares import Dense
from wpl.fisher.batches import map_tensors, tensors_in
from wpl.fisher.layers.attention import merged_attention
from wpl.fisher.layers.norms import batch_norm_written_out
from wpl.fisher.layers.recurrent import GATES, recurrent
from wpl.fisher.layers.registry import COMPOSED, LAYERS, Engine, Entry, Samples

# Largest number of elements of the per-sample gradients of weights without a closed form, together
# (256 MB in single precision); for more, the samples are split into parts.
ELEMENTS = 2**26
_FACTORIES = {torch.zeros, torch.ones, torch.empty, torch.full, torch.zeros_like, torch.ones_like}
# Functions from tensors to plain values, on which a program may branch.
_DECISIONS = {
    *(Tensor.__bool__, Tensor.__int__, Tensor.__float__, Tensor.__index__, Tensor.item),
    *(Tensor.tolist, Tensor.is_nonzero, Tensor.equal, Tensor.allclose, Tensor.__contains__),
    *(torch.is_nonzero, torch.equal, torch.allclose),
}


# Given a function and its name, calls it with these arguments.
Caller = Callable[[Callable[..., Any], str, tuple[Any, ...], Mapping[str, Any]], Any]

_APPLY = Function.__dict__["apply"]
_LOCK = threading.Lock()
_USERS: list[Caller] = []  # of the replaced ``apply``, in all threads
_here = threading.local()


class SplitError(Exception):
    """Samples take different branches, or too much memory at once; ``groups`` has their rows."""

    def __init__(self, groups: Sequence[Tensor]) -> None:
        super().__init__()
        self.groups = groups


class Intercept(TorchFunctionMode):
    """Gives weights with a closed form a stand-in, and each sample its own copy of other weights.

    A known use of a weight is called with a stand-in that needs no gradient, so that autograd does
    not compute the weight's gradient; instead, the layer's form computes the squares from the
    call's input and the gradient of its output. In other uses, the weight is expanded to one copy
    per sample, so that autograd gives the gradient of each sample in the same pass. With
    ``batch_factories``, new tensors get a copy for each sample, too, as is necessary if the model
    writes samples into them.
    """

    def __init__(self, engine: Engine, samples: int, *, batch_factories: bool = False) -> None:
        super().__init__()
        self.apart: set[str] = set()  # custom functions that were called for each sample
        self._engine, self._samples = engine, samples
        self._level = functorch.current_level()
        self._copies: dict[int, Tensor] = {}
        self._elements = 0
        self._batch_factories = batch_factories

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a function, or an equivalent that separates the samples."""
        kwargs = kwargs or {}
        if func.__name__ == "__get__":  # a property such as ``shape``
            return func(*args, **kwargs)
        if kwargs.get("sparse"):  # a gradient that has the same values, dense
            kwargs = {**kwargs, "sparse": False}
        out = NotImplemented
        if func in LAYERS:
            if func is F.batch_norm and self._samples == 1:
                with self:
                    return batch_norm_written_out(*args, **kwargs)
            out = self._layer(LAYERS[func], func, args, kwargs)
        elif func in COMPOSED:
            with self:
                out = COMPOSED[func](*args, **kwargs)
        elif func in GATES:
            out = self._recurrent(func, args, kwargs)
        elif func is F.scaled_dot_product_attention:
            out = self._attention(func, args, kwargs)
        elif func in _DECISIONS:
            return self._decide(func, args, kwargs)
        elif self._batch_factories and func in _FACTORIES:
            return self._wrap(self._per_sample(func(*args, **kwargs)).clone())
        if out is not NotImplemented:
            return out
        args, kwargs = self._copies_in(func.__name__, args, kwargs)
        return func(*args, **kwargs)

    def _stand_in(self, tensor: Tensor) -> Any:
        return self._engine.stand_in(tensor) if self._is_weight(tensor) else tensor

    def _layer(
        self,
        entry: Entry,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Any:
        tensors = tensors_in(args)
        if kwargs:
            tensors += tensors_in(kwargs)
        learning = torch.is_grad_enabled()
        batched: list[Tensor] = []
        weights: list[Tensor] = []
        others: list[Tensor] = []
        for t in tensors:
            if functorch.maybe_get_bdim(t) >= 0:
                batched.append(t)
            elif not t.requires_grad:
                others.append(t)
            elif learning and self._engine.sources(t):
                weights.append(t)
        vmapped = entry.samples is Samples.VMAP
        if not batched:
            if vmapped or not weights or not others:
                return NotImplemented
            batched = others[:1]  # the same input for all samples, such as a first state
        source = batched[0]
        merged = entry.samples is Samples.BATCH
        if (len(batched) > 1 and not vmapped) or (merged and source.shape[:1] != (1,)):
            return NotImplemented
        with _Outside():
            kept = self._per_sample(source)
            given = kept.flatten(0, 1) if merged else kept.contiguous()
            replaced = {id(w): self._engine.stand_in(w) for w in weights}

        def raw(t: Tensor) -> Tensor:
            if t is source:
                return given
            # Otherwise a weight without a gradient would be multiplied with each sample separately.
            found = self._raw(t)
            return replaced.get(id(t), t) if found is t else found

        raw_args = map_tensors(args, raw)
        raw_kwargs = map_tensors(kwargs, raw) if kwargs else kwargs
        forms = entry.layer(*raw_args, **raw_kwargs)
        stand_ins = {id(weight) for weight in replaced.values()}
        if forms is None or not stand_ins.issubset([id(operand) for operand, _ in forms]):
            return NotImplemented
        if vmapped:
            args, kwargs = map_tensors((args, kwargs), self._stand_in)
            out = self._raw(func(*args, **kwargs))
        with _Outside():
            out = out if vmapped else func(*raw_args, **raw_kwargs)
            if weights:
                used = [form for form in forms if id(form[0]) in stand_ins]
                out = self._engine.tap(out, used, f"closed form ({func.__name__})", kept)
            out = _as_batches_of_one(out) if merged else out
        return self._wrap(out)

    def _recurrent(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        with _Outside():
            args, kwargs = map_tensors((args, kwargs), self._raw)
            out = recurrent(self._engine, func, *args, **kwargs)
        return out if out is NotImplemented else map_tensors(out, self._wrap)

    def _attention(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        args, kwargs = self._copies_in(func.__name__, args, kwargs)
        if not _any_batched(tensors_in([args, kwargs])):
            return NotImplemented
        with _Outside():
            out = merged_attention(self._per_sample, *args, **kwargs)
        return out if out is NotImplemented else self._wrap(out)

    def _decide(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Evaluate a function to a plain value, which must be the same for all samples."""
        if not _any_batched(tensors_in([args, kwargs])):
            return func(*args, **kwargs)
        args, kwargs = map_tensors((args, kwargs), Tensor.cpu)  # once, not for each sample
        rows: dict[str, list[int]] = {}
        value = None
        for row, (some, named) in enumerate(self._rows(args, kwargs)):
            value = func(*some, **named)
            rows.setdefault(repr(value), []).append(row)
        if len(rows) > 1:
            raise SplitError([torch.tensor(group) for group in rows.values()])
        return value

    def custom(
        self, apply: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Call a function that ``torch.vmap`` cannot call with each sample alone."""
        args, kwargs = self._copies_in(name, args, kwargs)
        with _Outside(), torch._C.DisableTorchFunction():
            if not _any_batched(tensors_in([args, kwargs])):
                return apply(*args, **kwargs)
            if self._samples > 1:
                self.apart.add(name)
            rows = [apply(*some, **named) for some, named in self._rows(args, kwargs)]
            if isinstance(rows[0], Tensor):
                return self._wrap(torch.stack(rows))
            outputs = zip(*rows, strict=True)
            return tuple(
                self._wrap(torch.stack(each)) if isinstance(each[0], Tensor) else each[0]
                for each in outputs
            )

    def _rows(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Iterator[tuple[tuple[Any, ...], Mapping[str, Any]]]:
        """Iterate over the arguments of each sample alone, without a dimension of samples."""
        for row in range(self._samples):

            def of_row(t: Tensor, row: int = row) -> Tensor:
                found = self._raw(t)
                return found if found is t else found[row]

            yield map_tensors(args, of_row), map_tensors(kwargs, of_row)

    def _copies_in(
        self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
        """Replace weights that are combined with samples by a copy for each sample."""
        tensors = tensors_in(args)
        if kwargs:
            tensors += tensors_in(kwargs)
        weights = batched = False
        for t in tensors:
            if functorch.maybe_get_bdim(t) >= 0:
                batched = True
            elif t.requires_grad:
                weights = True
        if weights and batched and torch.is_grad_enabled():
            copy = partial(self._copy, way=f"per sample: `{name}`")
            return map_tensors(args, copy), map_tensors(kwargs, copy)
        return args, kwargs

    def _copy(self, tensor: Tensor, way: str) -> Tensor:
        """Expand a weight to a copy per sample; anything else is returned unchanged."""
        if not self._is_weight(tensor):
            return tensor
        if id(tensor) not in self._copies:
            self._elements += tensor.numel()
            if self._elements * self._samples > ELEMENTS and self._samples > 1:
                raise SplitError(torch.arange(self._samples).tensor_split(2))
            with _Outside():
                alias = self._engine.stand_in(tensor)
                copies = alias.expand(self._samples, *alias.shape)
                copies = self._engine.tap(copies, [(tensor, Dense)], way)
            self._copies[id(tensor)] = self._wrap(copies)
        return self._copies[id(tensor)]

    def _is_weight(self, tensor: object) -> bool:
        return (
            isinstance(tensor, Tensor)
            and tensor.requires_grad
            and functorch.maybe_get_bdim(tensor) < 0
            and bool(self._engine.sources(tensor))
        )

    def _raw(self, tensor: Tensor) -> Tensor:
        """Unwrap a batched tensor into ``(sample, *shape)``; any other is returned unchanged."""
        dim = functorch.maybe_get_bdim(tensor)
        if dim < 0:
            return tensor
        inner = functorch.get_unwrapped(tensor)
        return inner.movedim(dim, 0) if dim else inner

    def _per_sample(self, tensor: Tensor) -> Tensor:
        found = self._raw(tensor)
        return found.expand(self._samples, *tensor.shape) if found is tensor else found

    def _wrap(self, tensor: Tensor) -> Tensor:
        wrapped: Tensor = functorch._add_batch_dim(tensor, 0, self._level)
        return wrapped


class _Outside:
    """A context without ``torch.vmap``, in which calls get all samples at once."""

    def __enter__(self) -> None:
        self._layer = functorch.pop_dynamic_layer_stack()

    def __exit__(self, *_: object) -> None:
        functorch.push_dynamic_layer_stack(self._layer)


def _any_batched(tensors: Iterable[Tensor]) -> bool:
    return any(functorch.maybe_get_bdim(t) >= 0 for t in tensors)


def _as_batches_of_one(out: Tensor) -> Tensor:
    """Bring ``(sample, ...)`` into ``(sample, 1, ...)``."""
    # A view would be dear to change in place, as an activation after it may; but where autograd
    # keeps the output for itself, it must see such a change.
    if hasattr(out.grad_fn, "_saved_result") or hasattr(out.grad_fn, "_saved_output"):
        return out.unsqueeze(1)
    found: Tensor = torch.ops.aten._unsafe_view.default(out, (out.shape[0], 1, *out.shape[1:]))
    return found


@contextmanager
def called_by(caller: Caller) -> Iterator[None]:
    """Have a caller take the place of ``Function.apply`` for what ``torch.vmap`` cannot call.

    Function modes do not see ``apply``, and torch has no other place where to ask. Only calls in
    this thread are replaced.

    Yields:
        Nothing.
    """
    before = getattr(_here, "caller", None)
    with _LOCK:
        _USERS.append(caller)
        Function.apply = classmethod(_apply)
    _here.caller = caller
    try:
        yield
    finally:
        _here.caller = before
        with _LOCK:
            _USERS.pop()
            if not _USERS:
                Function.apply = _APPLY


def _apply(cls: type[Function], *args: Any, **kwargs: Any) -> Any:
    apply = _APPLY.__get__(None, cls)
    caller = getattr(_here, "caller", None)
    if caller is None or not torch._C._are_functorch_transforms_active() or _has_a_rule(cls):
        return apply(*args, **kwargs)
    return caller(apply, cls.__name__, args, kwargs)


def _has_a_rule(cls: type[Function]) -> bool:
    """Tell whether ``torch.vmap`` can call a function."""
    ready = cls.setup_context is not Function.setup_context
    return ready and (cls.generate_vmap_rule or cls.vmap is not Function.vmap)
