"""Forward and backward pass through a chain of modules, one by one."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook

from wpl.fisher.accumulation.squares import has_autocast
from wpl.fisher.engines.recording import Gradients, Job, Recording, add_to, unchanged
from wpl.fisher.layers.convolution import convolution
from wpl.fisher.layers.linear import linear

_relu_backward = torch.ops.aten.threshold_backward.default

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_WITH_WEIGHTS = {nn.Linear, nn.Conv2d}
_NOTHING = {nn.Identity, nn.Dropout}

# The kinds of modules of a chain, and for which inputs ``(sample, ...)`` the output of a module has
# the samples first, too.
_KNOWN: dict[type, Callable[[Any, Tensor], bool]] = {
    **dict.fromkeys((nn.ReLU, nn.LeakyReLU, nn.ELU, nn.SELU, nn.GELU), lambda *_: True),
    **dict.fromkeys((nn.SiLU, nn.Tanh, nn.Sigmoid, nn.Softplus, nn.Hardtanh), lambda *_: True),
    **dict.fromkeys(_NOTHING, lambda *_: True),
    **dict.fromkeys((nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d), lambda _, x: x.ndim == 4),
    **dict.fromkeys((nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d), lambda _, x: x.ndim == 4),
    nn.Linear: lambda _, x: x.ndim > 1,
    nn.Flatten: lambda module, x: module.start_dim == 1 and x.ndim > 1,
}

# From the gradient of a module's output, the gradient of its input.
Back = Callable[[Tensor], Tensor | None]


class Chain(Recording):
    """Calls a chain of modules one by one, and back-propagates through them.

    For the modules of small networks, the backward pass is written out, as autograd would take as
    long as the arithmetic. Each of the other modules gets a graph of its own. Without this engine,
    a perceptron takes 1.2 (width 1,024) to 2.8 times as long (width 10), LeNet 1.1 to 1.3 times.

    Raises:
        NotAChainError: If the output of a module would not have the samples first.
    """

    def __init__(self, job: Job, links: Iterable[nn.Module], inputs: Tensor) -> None:
        super().__init__(job, slice(None))
        self._ways_back: list[Back] = []  # starting at the first wanted parameter
        self._gradients: Gradients | None = None
        self._keep = False
        x = inputs.detach()
        with torch.no_grad():
            for module in links:
                if not _KNOWN[type(module)](module, x):
                    raise NotAChainError
                x = self._call(module, x)
        self.logits = x

    @staticmethod
    def of(job: Job, model: nn.Module, inputs: Any) -> "Chain | None":
        """Call a model with inputs ``(sample, ...)`` if it is a chain; None if it is not."""
        links = links_of(model) if isinstance(inputs, Tensor) else None
        if links is None or has_autocast(inputs.device.type):
            return None
        try:
            return Chain(job, links, inputs)
        except NotAChainError:
            return None

    def send_back(self, vector: Tensor, *, squares: bool, gradient: bool, keep: bool) -> Gradients:
        """See ``Recording``."""
        self.listening, self._keep = squares, keep
        self._gradients = {} if gradient else None
        ways_back = list(self._ways_back) if keep else self._ways_back  # frees what each holds
        g: Tensor | None = vector
        with torch.no_grad():
            while ways_back and g is not None:
                g = ways_back.pop()(g)
        self.end_pass()
        return self._gradients or {}

    def _call(self, module: nn.Module, x: Tensor) -> Tensor:
        if type(module) in _NOTHING:
            return x
        first = not self._ways_back
        if first and not any(id(p) in self._wanted for p in module._parameters.values()):
            return self._forward(module, x)
        if isinstance(module, nn.Linear):
            return self._linear(module, x, first=first)
        if isinstance(module, nn.ReLU):
            return self._relu(module, x)
        return self._by_graph(module, x, first=first)

    def _forward(self, module: nn.Module, x: Tensor) -> Tensor:
        # In-place modules must change neither the user's inputs nor a leaf.
        out: Tensor = module.forward(x.clone() if getattr(module, "inplace", False) else x)
        return out

    def _linear(self, module: nn.Linear, x: Tensor, *, first: bool) -> Tensor:
        weight, bias = module.weight, module.bias
        out = F.linear(x, weight, bias)
        take = self.add_use(linear(x, weight, bias) or (), "closed form (linear)", [x])

        def back(g: Tensor) -> Tensor | None:
            take(g)
            if self._gradients is not None:
                flat = g.flatten(0, -2)
                if id(weight) in self._wanted:
                    add_to(self._gradients, id(weight), flat.t() @ x.flatten(0, -2))
                if id(bias) in self._wanted:
                    add_to(self._gradients, id(bias), flat.sum(0))
            return None if first else g @ weight

        self._ways_back.append(back)
        return out

    def _relu(self, module: nn.ReLU, x: Tensor) -> Tensor:
        y: Tensor = module.forward(x)
        check = unchanged([y])

        def back(g: Tensor) -> Tensor:
            check()
            found: Tensor = _relu_backward(g, y, 0)
            return found

        self._ways_back.append(back)
        return y

    def _by_graph(self, module: nn.Module, x: Tensor, *, first: bool) -> Tensor:
        leaf = x.detach().requires_grad_(not first)
        take = None
        with torch.enable_grad():
            if isinstance(module, nn.Conv2d):
                weights = self.stand_in(module.weight), self.stand_in(module.bias)
                geometry: Any = (module.stride, module.padding, module.dilation, module.groups)
                out = F.conv2d(leaf, *weights, *geometry)
                forms = convolution(leaf.detach(), module.weight, module.bias, *geometry)
                take = self.add_use(forms or (), "closed form (conv2d)", [x])
            else:
                out = self._forward(module, leaf)
        wanted = [p for p in module._parameters.values() if p is not None and id(p) in self._wanted]

        def back(g: Tensor) -> Tensor | None:
            if take is not None:
                take(g)
            parameters = [] if self._gradients is None else wanted
            leaves = [*([] if first else [leaf]), *map(self.stand_in, parameters)]
            if not leaves:
                return None
            found = list(torch.autograd.grad(out, leaves, g, retain_graph=self._keep))
            of_input = None if first else found.pop(0)
            if self._gradients is not None:
                for parameter, gradient in zip(parameters, found, strict=True):
                    add_to(self._gradients, id(parameter), gradient)
            return of_input

        self._ways_back.append(back)
        return out.detach()


class NotAChainError(Exception):
    """The output of a module would not have the samples first."""


def links_of(model: nn.Module) -> list[nn.Module] | None:
    """List the modules of a chain in order; None if the model is not a chain.

    A module counts as known only if it is unmodified: not a subclass, without hooks, without a
    ``forward`` of its own, and with plain parameters as weights.

    Returns:
        The modules.
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
    if kind in _WITH_WEIGHTS:
        plain = all(p is None or type(p) is nn.Parameter for p in module._parameters.values())
        if not plain or module._parameters.keys() != {"weight", "bias"}:
            return False
    if kind is nn.Conv2d and (module.padding_mode != "zeros" or module.padding == "same"):
        return False
    return kind in _KNOWN and _is_untouched(module)
