"""Which models are chains of known modules, so that no interception is needed."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook

# In eval mode, their outputs have the samples first, as their inputs do.
_VALUE_BY_VALUE = {
    *(nn.ReLU, nn.LeakyReLU, nn.ELU, nn.SELU, nn.GELU, nn.SiLU),
    *(nn.Tanh, nn.Sigmoid, nn.Softplus, nn.Hardtanh),
}
_OF_IMAGES = {nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d}
NOTHING = {nn.Identity, nn.Dropout}
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def links_of(model: nn.Module) -> list[nn.Module] | None:
    """List the modules of a chain, in order.

    A module counts as known only if it is unmodified: not a subclass, without hooks, without a
    ``forward`` of its own, and with plain parameters as weights.

    Returns:
        The modules; None if the model is not a chain of known modules.
    """
    if _has_any_global_hook():
        return None
    modules = list(_links(model))
    return modules if all(_is_plain(module) for module in modules) else None


def _links(model: nn.Module) -> Iterator[nn.Module]:
    if type(model) is nn.Sequential and _is_untouched(model):
        for module in model._modules.values():
            assert module is not None
            yield from _links(module)
    else:
        yield model


def _is_untouched(module: nn.Module) -> bool:
    own = module.__dict__
    return "forward" not in own and not any(own[hooks] for hooks in _HOOKS)


def _is_plain(module: nn.Module) -> bool:
    kind: Any = type(module)
    if kind is nn.Linear or kind is nn.Conv2d:
        parameters = module._parameters
        known = parameters.keys() == {"weight", "bias"} and all(
            p is None or type(p) is nn.Parameter for p in parameters.values()
        )
        plain = kind is nn.Linear or (module.padding_mode == "zeros" and module.padding != "same")
        return known and plain and _is_untouched(module)
    known = kind in _VALUE_BY_VALUE or kind in _OF_IMAGES | NOTHING or kind is nn.Flatten
    return known and _is_untouched(module)


def keeps_samples(module: nn.Module, x: Tensor) -> bool:
    """Tell whether a module's output has the samples first.

    Args:
        module: A known module.
        x: Its input ``(sample, ...)``.

    Returns:
        Whether its output is ``(sample, ...)``, too.
    """
    if isinstance(module, nn.Conv2d) or type(module) in _OF_IMAGES:
        return x.ndim == 4
    if isinstance(module, nn.Flatten):
        return module.start_dim == 1 and x.ndim > 1
    return not isinstance(module, nn.Linear) or x.ndim > 1
