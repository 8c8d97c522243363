"""Both ways through a chain of modules, one by one."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wpl.fisher.accumulation.sums import Sums
from wpl.fisher.engines.links import NOTHING, keeps_samples, links_of
from wpl.fisher.engines.rows import FIRST, Rows
from wpl.fisher.engines.saved import saved
from wpl.fisher.engines.uses import Contribute, Uses
from wpl.fisher.layers.convolution import convolution
from wpl.fisher.layers.linear import linear

_relu_backward = torch.ops.aten.threshold_backward.default

# From the gradient of a module's output, the gradient of its input.
Back = Callable[[Tensor], Tensor | None]


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
        links = links_of(model)
        if links is None or torch.is_autocast_enabled(inputs.device.type):
            return None
        x: Tensor | None = inputs
        with torch.no_grad():
            for module in links:
                x = None if x is None or not keeps_samples(module, x) else self._call(module, x)
        self._contribute = None  # with the input that it holds
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
        if type(module) in NOTHING:
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
        # The inputs are not ours to change, and a leaf may not be.
        out: Tensor = module.forward(x.clone() if getattr(module, "inplace", False) else x)
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
        before = x.shape
        self._ways_back.append(lambda g: g.reshape(before))
        return out

    def _by_graph(self, module: nn.Module, x: Tensor, *, first: bool) -> Tensor | None:
        leaf = x.detach().requires_grad_(not first)
        with torch.enable_grad():
            out = self._forward(module, leaf)
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
