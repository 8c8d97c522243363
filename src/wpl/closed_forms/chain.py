"""A model that is a chain of the usual modules: what it does is known without watching it."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook

from wpl.closed_forms.convolution import convolution
from wpl.closed_forms.linear import linear
from wpl.closed_forms.rows import FIRST, Rows
from wpl.closed_forms.saved import saved
from wpl.closed_forms.sums import Sums
from wpl.closed_forms.uses import Contribute, Uses

# In eval mode, their results have the samples where their inputs have them: first.
_VALUE_BY_VALUE = {
    *(nn.ReLU, nn.LeakyReLU, nn.ELU, nn.SELU, nn.GELU, nn.SiLU),
    *(nn.Tanh, nn.Sigmoid, nn.Softplus, nn.Hardtanh),
}
_OF_IMAGES = {nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d}
_NOTHING = {nn.Identity, nn.Dropout}
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_relu_backward = torch.ops.aten.threshold_backward.default

# From the gradient of a module's output, the gradient of its input.
Back = Callable[[Tensor], Tensor | None]


def _links_of(model: nn.Module) -> list[nn.Module] | None:
    """List the modules of a chain, in order.

    A module counts as what its class says only if nothing was added to it: a subclass, a hook, a
    ``forward`` of its own, a weight that is not a plain parameter.

    Returns:
        The modules; None if the model is no chain of modules that are known.
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
        zeros = kind is nn.Linear or module.padding_mode == "zeros"
        return known and zeros and _is_untouched(module)
    known = kind in _VALUE_BY_VALUE or kind in _OF_IMAGES | _NOTHING or kind is nn.Flatten
    return known and _is_untouched(module)


class Chain(Uses):
    """Calls a chain of modules one by one, and goes back through them.

    For the modules that small networks are made of, the way back is written out: autograd would
    take as long as their arithmetic. Each of the others gets a graph of its own.
    """

    def __init__(
        self, wanted: Iterable[Tensor], sums: Sums, batch: int, *, with_gradient: bool
    ) -> None:
        """See ``Uses``."""
        super().__init__(wanted, sums, batch, with_gradient=with_gradient)
        self._ways_back: list[Back] = []  # from the first wanted parameter on
        self._contribute: Contribute | None = None  # of the last call
        self._gradients: dict[int, Tensor] | None = None
        self._keep = False

    def call(self, model: nn.Module, inputs: Tensor) -> Tensor | None:
        """Call a model that is a chain.

        Args:
            model: In eval mode.
            inputs: ``(batch, ...)``.

        Returns:
            The logits; None if the model is no chain, or a module would not have the samples first.
        """
        links = _links_of(model)
        if links is None or torch.is_autocast_enabled(inputs.device.type):
            return None
        x: Tensor | None = inputs
        with torch.no_grad():
            for module in links:
                x = None if x is None or not _keeps_samples(module, x) else self._call(module, x)
        return x

    def samples_in(self, tensor: Tensor) -> Rows:
        """See ``Uses``: all inputs have them first."""
        del tensor
        return FIRST

    def tap(self, out: Tensor, contribute: Contribute, *parameters: Tensor | None) -> Tensor:
        """See ``Uses``."""
        self.expect(*parameters)
        self._contribute = contribute
        return out

    def send_back(
        self, logits: Tensor, vector: Tensor, *, squares: bool, gradient: bool, keep: bool
    ) -> dict[int, Tensor]:
        """See ``Uses``."""
        del logits
        self._listening, self._keep = squares, keep
        self._gradients = {} if gradient else None
        ways_back = list(self._ways_back) if keep else self._ways_back  # what each holds is freed
        g: Tensor | None = vector
        with torch.no_grad():
            while ways_back and g is not None:
                g = ways_back.pop()(g)
        return self._gradients or {}

    def _call(self, module: nn.Module, x: Tensor) -> Tensor | None:
        if type(module) in _NOTHING:
            return x
        first = not self._ways_back
        if first and not any(self.is_parameter(p) for p in module._parameters.values()):
            return self._forward(module, x)
        if isinstance(module, nn.Linear):
            return self._linear(module, x, first=first)
        if isinstance(module, nn.ReLU):
            return self._relu(module, x)
        if isinstance(module, nn.Flatten):
            return self._flatten(module, x)
        return self._by_graph(module, x, first=first)

    def _forward(self, module: nn.Module, x: Tensor) -> Tensor | None:
        self._contribute = None
        if isinstance(module, nn.Conv2d):
            geometry: Any = (module.stride, module.padding, module.dilation, module.groups)
            return convolution(self, F.conv2d, x, module.weight, module.bias, *geometry)
        out: Tensor = module.forward(x)
        return out

    def _linear(self, module: nn.Linear, x: Tensor, *, first: bool) -> Tensor | None:
        weight, bias = module.weight, module.bias
        out = linear(self, F.linear, x, weight, bias)
        contribute, a = self._contribute, saved(x)
        assert contribute is not None

        def back(g: Tensor) -> Tensor | None:
            if self._listening:
                self.receive(contribute(g))
            if self._gradients is not None:
                flat = g.flatten(0, -2)
                if self.is_parameter(weight):
                    self._add_gradient(weight, flat.t() @ a().flatten(0, -2))
                if self.is_parameter(bias):
                    self._add_gradient(bias, flat.sum(0))
            return None if first else g @ weight

        self._ways_back.append(back)
        return out

    def _relu(self, module: nn.ReLU, x: Tensor) -> Tensor:
        out: Tensor = module.forward(x)
        y = saved(out)
        self._ways_back.append(lambda g: _relu_backward(g, y(), 0))
        return out

    def _flatten(self, module: nn.Flatten, x: Tensor) -> Tensor:
        out: Tensor = module.forward(x)
        self._ways_back.append(lambda g: g.view(x.shape))
        return out

    def _by_graph(self, module: nn.Module, x: Tensor, *, first: bool) -> Tensor | None:
        leaf = x.detach().requires_grad_(not first)
        with torch.enable_grad():
            out = self._forward(module, leaf.clone() if getattr(module, "inplace", False) else leaf)
        if out is None:
            return None
        contribute = self._contribute
        parameters = [p for p in module._parameters.values() if p is not None]
        parameters = [p for p in parameters if self.is_parameter(p)]

        def back(g: Tensor) -> Tensor | None:
            if contribute is not None and self._listening:
                self.receive(contribute(g))
            wanted = [] if self._gradients is None else parameters
            leaves = [*([] if first else [leaf]), *(self.stand_in(p) for p in wanted)]
            if not leaves:
                return None
            found = list(torch.autograd.grad(out, leaves, g, retain_graph=self._keep))
            of_input = None if first else found.pop(0)
            for parameter, gradient in zip(wanted, found, strict=True):
                self._add_gradient(parameter, gradient)
            return of_input

        self._ways_back.append(back)
        return out.detach()

    def _add_gradient(self, parameter: Tensor, gradient: Tensor) -> None:
        assert self._gradients is not None
        key = id(parameter)
        self._gradients[key] = (
            self._gradients[key] + gradient if key in self._gradients else gradient
        )


def _keeps_samples(module: nn.Module, x: Tensor) -> bool:
    """Tell whether a module's result for an input with the samples first has them first, too."""
    if isinstance(module, nn.Conv2d) or type(module) in _OF_IMAGES:
        return x.ndim == 4
    if isinstance(module, nn.Flatten):
        return module.start_dim == 1 and x.ndim > 1
    return not isinstance(module, nn.Linear) or x.ndim > 1
