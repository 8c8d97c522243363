"""Forward and backward pass through a chain of modules, one by one."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wpl.fisher.engines.intercept import check_unchanged
from wpl.fisher.engines.links import NOTHING, keeps_samples, links_of
from wpl.fisher.engines.recording import Job, Recording
from wpl.fisher.layers.convolution import convolution
from wpl.fisher.layers.linear import linear
from wpl.fisher.layers.registry import Form

_relu_backward = torch.ops.aten.threshold_backward.default

# From the gradient of a module's output, the gradient of its input.
Back = Callable[[Tensor], Tensor | None]


class Chain(Recording):
    """Calls a chain of modules one by one, and back-propagates through them.

    For the modules of small networks, the backward pass is written out, as autograd would take as
    long as the arithmetic. Each of the other modules gets a graph of its own.
    """

    def __init__(self, job: Job, links: Iterable[nn.Module], inputs: Tensor) -> None:
        """Call the modules.

        Args:
            job: What to compute.
            links: The modules, in order.
            inputs: ``(sample, ...)``.

        Raises:
            NotAChainError: If the output of a module would not have the samples first.
        """
        super().__init__(job, slice(None))
        self._ways_back: list[Back] = []  # starting at the first wanted parameter
        self._gradients: dict[int, Tensor] | None = None
        self._keep = False
        x = inputs.detach()
        with torch.no_grad():
            for module in links:
                if not keeps_samples(module, x):
                    raise NotAChainError
                x = self._call(module, x)
        self.logits = x

    @staticmethod
    def of(job: Job, model: nn.Module, inputs: Any) -> "Chain | None":
        """Call a model that is a chain.

        Args:
            job: What to compute.
            model: The model.
            inputs: ``(sample, ...)``, if it is a chain.

        Returns:
            The recording; None if the model is not a chain.
        """
        links = links_of(model) if isinstance(inputs, Tensor) else None
        if links is None or torch.is_autocast_enabled(inputs.device.type):
            return None
        try:
            return Chain(job, links, inputs)
        except NotAChainError:
            return None

    def send_back(
        self, vector: Tensor, *, squares: bool, gradient: bool, keep: bool
    ) -> dict[int, Tensor]:
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
        if type(module) in NOTHING:
            return x
        first = not self._ways_back
        if first and not any(id(p) in self._wanted for p in module._parameters.values()):
            return self._forward(module, x)
        if isinstance(module, nn.Linear):
            return self._linear(module, x, first=first)
        if isinstance(module, nn.ReLU):
            return self._relu(module, x)
        if isinstance(module, nn.Flatten):
            return self._flatten(module, x)
        return self._by_graph(module, x, first=first)

    def _forward(self, module: nn.Module, x: Tensor) -> Tensor:
        # In-place modules must change neither the user's inputs nor a leaf.
        out: Tensor = module.forward(x.clone() if getattr(module, "inplace", False) else x)
        return out

    def _taken(self, forms: Sequence[Form] | None, x: Tensor, way: str) -> Callable[[Tensor], None]:
        """Register the contributions of a module's wanted parameters.

        Returns:
            A function that takes the gradient of its output.
        """
        found = self.expect(forms or (), way)
        version = x._version

        def take(gradient: Tensor) -> None:
            check_unchanged([(x, version)])
            self.receive(found, gradient)

        return take

    def _linear(self, module: nn.Linear, x: Tensor, *, first: bool) -> Tensor:
        weight, bias = module.weight, module.bias
        out = F.linear(x, weight, bias)
        take = self._taken(linear(x, weight, bias), x, "closed form (linear)")

        def back(g: Tensor) -> Tensor | None:
            take(g)
            if self._gradients is not None:
                flat = g.flatten(0, -2)
                if id(weight) in self._wanted:
                    self._add_gradient(weight, flat.t() @ x.flatten(0, -2))
                if id(bias) in self._wanted:
                    self._add_gradient(bias, flat.sum(0))
            return None if first else g @ weight

        self._ways_back.append(back)
        return out

    def _relu(self, module: nn.ReLU, x: Tensor) -> Tensor:
        y: Tensor = module.forward(x)
        version = y._version

        def back(g: Tensor) -> Tensor:
            check_unchanged([(y, version)])
            found: Tensor = _relu_backward(g, y, 0)
            return found

        self._ways_back.append(back)
        return y

    def _flatten(self, module: nn.Flatten, x: Tensor) -> Tensor:
        before = x.shape
        self._ways_back.append(lambda g: g.reshape(before))
        out: Tensor = module.forward(x)
        return out

    def _by_graph(self, module: nn.Module, x: Tensor, *, first: bool) -> Tensor:
        leaf = x.detach().requires_grad_(not first)
        take = None
        with torch.enable_grad():
            if isinstance(module, nn.Conv2d):
                weights = self.stand_in(module.weight), self.stand_in(module.bias)
                geometry: Any = (module.stride, module.padding, module.dilation, module.groups)
                out = F.conv2d(leaf, *weights, *geometry)
                forms = convolution(leaf.detach(), module.weight, module.bias, *geometry)
                take = self._taken(forms, x, "closed form (conv2d)")
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
            for parameter, gradient in zip(parameters, found, strict=True):
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


class NotAChainError(Exception):
    """The output of a module would not have the samples first."""
