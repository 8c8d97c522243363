"""Each ``torch.autograd.Function`` of a model under ``torch.vmap``, without a rule for that."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.autograd import Function

# Given a function and its name, calls it with these arguments.
Caller = Callable[[Callable[..., Any], str, tuple[Any, ...], Mapping[str, Any]], Any]

_APPLY = Function.__dict__["apply"]
_LOCK = threading.Lock()
_USERS: list[Caller] = []  # of the replaced ``apply``, in all threads
_here = threading.local()


@contextmanager
def called_by(caller: Caller) -> Iterator[None]:
    """Have a caller take the place of ``apply`` in this thread.

    Function modes do not see ``apply``, and torch has no other place where to ask.

    Args:
        caller: Called for functions that ``torch.vmap`` cannot call.

    Yields:
        Nothing.
    """
    before = getattr(_here, "caller", None)
    with _LOCK:
        _USERS.append(caller)
        Function.apply = classmethod(_apply)  # type: ignore[assignment,method-assign]
    _here.caller = caller
    try:
        yield
    finally:
        _here.caller = before
        with _LOCK:
            _USERS.pop()
            if not _USERS:
                Function.apply = _APPLY  # type: ignore[method-assign]


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
