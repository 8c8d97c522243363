"""A model's parameters by name, those that are wanted, and its state during an estimate."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn


def select(
    model: nn.Module, parameters: Iterable[str] | None
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Look up parameters by name, by default all that require a gradient.

    Returns:
        The parameters, each by one of its names; and for each name asked for, that name.

    Raises:
        ValueError: If the model is no module, if a name is unknown, or if none is given.
    """
    if not isinstance(model, nn.Module):
        raise ValueError(f"the model is a {type(model).__name__}; expected a torch.nn.Module")
    known = dict(model.named_parameters(remove_duplicate=parameters is None))
    if parameters is None:
        parameters = [name for name, p in known.items() if p.requires_grad]
    names = list(parameters)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"the model has no parameter {unknown[0]!r}; it has {', '.join(known)}")
    if not names:
        raise ValueError("no parameters to estimate the Fisher information of")
    first = {id(known[name]): name for name in reversed(names)}
    used = {name: first[id(known[name])] for name in names}
    return {name: known[name] for name in dict.fromkeys(used.values())}, used


@contextmanager
def prepared(model: nn.Module, parameters: Mapping[str, Tensor]) -> Iterator[None]:
    """Put a model into eval mode, with gradients for some parameters only; restore it afterwards.

    Compiled modules are called uncompiled.

    Yields:
        Nothing.

    Raises:
        ValueError: If a batch norm keeps no running statistics.
    """
    wanted = {id(p) for p in parameters.values()}
    training, changed, compiled = [], {}, False
    for name, module in model.named_modules():
        compiled |= "_orig_mod" in module._modules or module._compiled_call_impl is not None
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is None:
            raise ValueError(
                f"batch norm {name!r} keeps no running statistics: in a batch its samples "
                "depend on each other, and a per-sample gradient does not exist"
            )
        if module.training:
            training.append(module)
        for p in module._parameters.values():
            if p is not None and p.requires_grad != (id(p) in wanted):
                changed[id(p)] = p
    try:
        for module in training:
            module.training = False
        for p in changed.values():
            p.requires_grad_(not p.requires_grad)
        with torch.compiler.set_stance("force_eager") if compiled else nullcontext():
            yield
    finally:
        for module in training:
            module.training = True
        for p in changed.values():
            p.requires_grad_(not p.requires_grad)
