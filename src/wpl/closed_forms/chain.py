"""A model that is a chain of the usual modules: what it does is known without watching it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook

from wpl.closed_forms.convolution import convolution
from wpl.closed_forms.linear import linear
from wpl.closed_forms.rows import FIRST

if TYPE_CHECKING:
    from wpl.closed_forms.recorder import Recorder

# In eval mode, their results have the samples where their inputs have them: first.
_VALUE_BY_VALUE = {
    *(nn.Identity, nn.Dropout, nn.ReLU, nn.LeakyReLU, nn.ELU, nn.SELU, nn.GELU, nn.SiLU),
    *(nn.Tanh, nn.Sigmoid, nn.Softplus, nn.Hardtanh),
}
_OF_IMAGES = {nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d}
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def run_chain(recorder: "Recorder", model: nn.Module, inputs: Tensor) -> Tensor | None:
    """Call a chain of modules and record its layers.

    A module counts as what its class says only if nothing was added to it: a subclass, a hook, a
    ``forward`` of its own, a weight that is not a plain parameter.

    Args:
        recorder: Not entered: no call needs to be seen.
        model: In eval mode.
        inputs: ``(batch, ...)``, marked.

    Returns:
        The logits, marked; None if the model is no such chain.
    """
    modules = None if _has_any_global_hook() else list(_links(model))
    if modules is None or not all(_is_plain(module) for module in modules):
        return None
    x: Tensor | None = inputs
    for module in modules:
        x = None if x is None else _call(recorder, module, x)
        if x is not None:
            recorder.mark(x, FIRST)
    return x


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
        zeros = kind is nn.Linear or module.padding_mode == "zeros"
        return known and zeros and _is_untouched(module)
    known = kind in _VALUE_BY_VALUE or kind in _OF_IMAGES or kind is nn.Flatten
    return known and _is_untouched(module)


def _call(recorder: "Recorder", module: nn.Module, x: Tensor) -> Tensor | None:
    """Call one module.

    Returns:
        Its result; None if it would not have the samples first.
    """
    if isinstance(module, nn.Linear | nn.Conv2d):
        weight, bias = module.weight, module.bias
        if not (recorder.is_parameter(weight) or recorder.is_parameter(bias)):
            fits = x.ndim == 4 if isinstance(module, nn.Conv2d) else x.ndim > 1
            return module.forward(x) if fits else None
        if isinstance(module, nn.Linear):
            return linear(recorder, F.linear, x, weight, bias)
        geometry: Any = (module.stride, module.padding, module.dilation, module.groups)
        return convolution(recorder, F.conv2d, x, weight, bias, *geometry)
    fits = x.ndim == 4 if type(module) in _OF_IMAGES else True
    if isinstance(module, nn.Flatten):
        fits = module.start_dim == 1 and x.ndim > 1
    result: Tensor | None = module.forward(x) if fits else None
    return result
