"""All samples at once under ``torch.vmap``, each as a batch of one."""

import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from wpl.fisher.accumulation.squares import full_precision
from wpl.fisher.batches import map_tensors, outputs_of, tensors_in
from wpl.fisher.engines.intercept import Intercept
from wpl.fisher.engines.recording import Gradients, Job, Recording, Rows

# Given a function and its name, calls it with these arguments.
Caller = Callable[[Callable[..., Any], str, tuple[Any, ...], Mapping[str, Any]], Any]

_APPLY = Function.__dict__["apply"]
_LOCK = threading.Lock()
_USERS: list[Caller] = []  # of the replaced ``apply``, in all threads
_here = threading.local()


class Vmapped(Recording):
    """A forward pass of some rows of a batch under ``Intercept``; the backward pass is by autograd.

    ``settings`` are those of ``Intercept``.

    Raises:
        ValueError: If the logits of a sample do not have exactly one row.
        RuntimeError: If ``torch.vmap`` does not support the model, or a use is not intercepted.
    """

    def __init__(
        self, job: Job, rows: Rows, call: Callable[[Any], Any], inputs: Any, **settings: Any
    ) -> None:
        super().__init__(job, rows)
        self._leaves: list[Tensor] = []  # where back-propagation ends
        inputs = map_tensors(inputs, lambda t: t[rows].detach())
        given = tensors_in(inputs)

        def one(*sample: Tensor) -> Tensor:
            values = iter(sample)
            alone = map_tensors(inputs, lambda _: next(values).unsqueeze(0))
            mode = Intercept(self, len(given[0]), **settings)
            self._leaves = mode.leaves
            with mode, called_by(mode.custom):
                logits = outputs_of(call(alone))
            if not isinstance(logits, Tensor) or logits.ndim == 0 or len(logits) != 1:
                raise ValueError(
                    f"expected logits (batch, ...), one row for each sample{_got(logits)}"
                )
            return logits.squeeze(0)

        with (
            torch.enable_grad(),
            torch.autograd.graph.disable_saved_tensors_hooks("a checkpoint runs calls again"),
            warnings.catch_warnings(),
        ):
            warnings.filterwarnings("ignore", "There is a performance drop")  # of a few functions
            self.logits = torch.vmap(one)(*given)
        parameters = list(job.parameters.values())
        nothing = self.logits.new_zeros(()).expand_as(self.logits)
        if not self.logits.requires_grad:
            return
        found = torch.autograd.grad(
            self.logits, parameters, nothing, retain_graph=True, allow_unused=True
        )
        for name, gradient in zip(job.parameters, found, strict=True):
            if gradient is not None:
                raise RuntimeError(f"{name!r} is used in a way that is not seen, as in a script")

    def send_back(self, vector: Tensor, *, squares: bool, gradient: bool, keep: bool) -> Gradients:
        """See ``Recording``."""
        stand_ins = [alias for _, alias in self._weights.values() if alias.requires_grad]
        wanted = [*self._leaves, *stand_ins]
        if not wanted or not self.logits.requires_grad:
            return {}
        self.listening = squares
        with full_precision(vector.device.type):
            found = torch.autograd.grad(
                self.logits, wanted, vector, retain_graph=keep, allow_unused=True
            )
        self.listening = False
        if not keep:
            self.logits = self.logits.detach()  # breaks a reference cycle through the graph's hooks
        self.end_pass()
        return self.gradients(found[len(self._leaves) :]) if gradient else {}


def _got(logits: object) -> str:
    shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
    return f"; got {shape} for a batch of one"


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
