"""Forward and backward pass through a chain of modules, one by one."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook

from wpl.fisher.accumulation.squares import Accumulation, Dense, Outer, Uses, has_autocast
from wpl.fisher.engines.recording import Recording
from wpl.fisher.layers.convolution import convolution
from wpl.fisher.layers.registry import Form

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

# From the gradient of a module's output, the gradient of its input; None where it is not needed.
Back = Callable[[Tensor], Tensor | None]


class Chain(Recording):
    """Calls a chain of modules one by one, and back-propagates through them.

    For the modules of small networks, the backward pass is written out, as autograd would take as
    long as the arithmetic. Each of the other modules gets a graph of its own. Without this engine,
    a perceptron takes 1.2 (width 1,024) to 2.8 times as long (width 10), LeNet 1.1 to 1.3 times.

    Raises:
        NotAChainError: If the output of a module would not have the samples first.
    """

    def __init__(
        self, parameters: Mapping[str, Tensor], links: Iterable[nn.Module], inputs: Tensor
    ) -> None:
        self.rows = slice(None)
        self.uses = Uses(self.rows)
        self._wanted = {id(p) for p in parameters.values()}
        self._ways_back: list[Back] = []  # starting at the first wanted parameter
        self._keep = False
        x = inputs.detach()
        with torch.no_grad():
            for module in links:
                if not _KNOWN[type(module)](module, x):
                    raise NotAChainError
                x = self._call(module, x)
        self.logits = x

    @staticmethod
    def of(parameters: Mapping[str, Tensor], links: list[nn.Module], inputs: Any) -> "Chain | None":
        """Call the modules of a chain, if the inputs ``(sample, ...)`` fit; None if not."""
        if not isinstance(inputs, Tensor) or has_autocast(inputs.device.type):
            return None
        try:
            return Chain(parameters, links, inputs)
        except NotAChainError:
            return None

    def send_back(self, vector: Tensor, *into: Accumulation, keep: bool) -> None:
        """See ``Recording``."""
        self.uses.into, self._keep = into, keep
        ways_back = list(self._ways_back) if keep else self._ways_back  # frees what each holds
        g: Tensor | None = vector
        with torch.no_grad():
            while ways_back and g is not None:
                g = ways_back.pop()(g)
            self.uses.end_pass()

    def _call(self, module: nn.Module, x: Tensor) -> Tensor:
        if type(module) in _NOTHING:
            return x
        first = not self._ways_back
        every = _forms(module, x)
        forms = [(p, make) for p, make in every if p is not None and id(p) in self._wanted]
        if first and not forms:
            return _forward(module, x)
        for parameter, _ in forms:
            self.uses.add(parameter, f"closed form ({type(module).__name__.lower()})")
        if isinstance(module, nn.Linear):
            out, back = _linear(module, x)
        elif isinstance(module, nn.ReLU):
            out, back = _relu(x)
        else:
            out, back = self._by_graph(module, x)

        def deliver_and_go_on(g: Tensor) -> Tensor | None:
            for parameter, make in forms:
                self.uses.deliver(parameter, make(g))
            return None if first else back(g)

        self._ways_back.append(deliver_and_go_on)
        return out

    def _by_graph(self, module: nn.Module, x: Tensor) -> tuple[Tensor, Back]:
        leaf = x.detach().requires_grad_()
        with torch.enable_grad():
            out = _forward(module, leaf)

        def back(g: Tensor) -> Tensor:  # computes no gradients of weights
            return torch.autograd.grad(out, leaf, g, retain_graph=self._keep)[0]

        return out.detach(), back


def _linear(module: nn.Linear, x: Tensor) -> tuple[Tensor, Back]:
    weight = module.weight
    return F.linear(x, weight, module.bias), lambda g: g @ weight


def _forms(module: nn.Module, x: Tensor) -> Sequence[Form]:
    """List the forms of a module's weights; see ``register``."""
    if isinstance(module, nn.Linear):
        return [(module.weight, lambda g: Outer(x, g)), (module.bias, Dense.over_positions)]
    if isinstance(module, nn.Conv2d):
        geometry: Any = (module.stride, module.padding, module.dilation, module.groups)
        return convolution(x, module.weight, module.bias, *geometry) or ()
    return ()


def _relu(x: Tensor) -> tuple[Tensor, Back]:
    y = x.relu()
    return y, lambda g: torch.ops.aten.threshold_backward.default(g, y, 0)


def _forward(module: nn.Module, x: Tensor) -> Tensor:
    """Call a module that may work in place, which changes neither the inputs nor a leaf."""
    out: Tensor = module.forward(x.clone() if getattr(module, "inplace", False) else x)
    return out


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
