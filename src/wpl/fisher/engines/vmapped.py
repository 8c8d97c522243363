"""All samples at once under ``torch.vmap``, each as a batch of one."""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from wpl.fisher.accumulation.squares import (
    Accumulation,
    Contribution,
    Dense,
    Outer,
    Uses,
    dense_sum,
    full_precision,
    precise,
)
from wpl.fisher.batches import map_tensors, outputs_of, tensors_in
from wpl.fisher.engines.intercept import Intercept, called_by
from wpl.fisher.engines.recording import Recording, Rows
from wpl.fisher.layers.registry import Form, Make


class Vmapped(Recording):
    """A forward pass of some rows of a batch under ``Intercept``; the backward pass is by autograd.

    ``settings`` are those of ``Intercept``, to which it is the ``Engine``.

    Attributes:
        custom: Custom functions that were called for each sample separately.

    Raises:
        ValueError: If the logits of a sample do not have exactly one row.
        RuntimeError: If ``torch.vmap`` does not support the model, or a use is not intercepted.
    """

    def __init__(
        self,
        parameters: Mapping[str, Tensor],
        rows: Rows,
        call: Callable[[Any], Any],
        inputs: Any,
        **settings: Any,
    ) -> None:
        self.rows, self.uses = rows, Uses(rows)
        self._listening = False
        self._wanted = {id(p): p for p in parameters.values()}
        self.custom: list[str] = []
        self._leaves: list[Tensor] = []  # where back-propagation ends
        self._stand_ins: dict[int, Tensor] = {}  # by weight
        self._weights: dict[int, Tensor] = {}  # by stand-in
        self._sources: dict[int, tuple[Tensor, list[Tensor]]] = {}
        self._derived: dict[int, list[Contribution]] = {}  # to weights that are no parameters
        inputs = map_tensors(inputs, lambda t: t[rows].detach())
        given = tensors_in(inputs)

        def one(*sample: Tensor) -> Tensor:
            values = iter(sample)
            alone = map_tensors(inputs, lambda _: next(values).unsqueeze(0))
            mode = Intercept(self, len(given[0]), **settings)
            with mode, called_by(mode.custom):
                logits = outputs_of(call(alone))
            self.custom = sorted(mode.apart)
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
        if self.logits.requires_grad:
            self._check_all_uses_are_seen(parameters)

    def _check_all_uses_are_seen(self, parameters: Mapping[str, Tensor]) -> None:
        nothing = self.logits.new_zeros(()).expand_as(self.logits)
        found = torch.autograd.grad(
            self.logits, list(parameters.values()), nothing, retain_graph=True, allow_unused=True
        )
        for name, gradient in zip(parameters, found, strict=True):
            if gradient is not None:
                raise RuntimeError(f"{name!r} is used in a way that is not seen, as in a script")

    def send_back(self, vector: Tensor, *into: Accumulation, keep: bool) -> None:
        """See ``Recording``."""
        if not self._leaves or not self.logits.requires_grad:
            return
        self.uses.into, self._listening = into, True
        with full_precision(vector.device.type):
            torch.autograd.grad(
                self.logits, self._leaves, vector, retain_graph=keep, allow_unused=True
            )
        self._listening = False
        if not keep:
            self.logits = self.logits.detach()  # breaks a reference cycle through the graph's hooks
        with torch.no_grad():
            for key, contributions in self._derived.items():
                weight, sources = self._sources[key]
                for p in sources if contributions else ():
                    self.uses.deliver(p, PulledBack(weight, p, contributions))
                self._derived[key] = []
            self.uses.end_pass()

    def sources(self, tensor: Tensor) -> list[Tensor]:
        """See ``Engine``; the tensor has no samples."""
        if id(tensor) in self._wanted:
            return [tensor]
        if not tensor.requires_grad:
            return []
        if id(tensor) not in self._sources:
            behind = [self._wanted[key] for key in leaves(tensor) if key in self._wanted]
            self._sources[id(tensor)] = tensor, behind
        return self._sources[id(tensor)][1]

    def stand_in(self, tensor: Any) -> Any:
        """See ``Engine``; anything but a weight is returned unchanged."""
        if not isinstance(tensor, Tensor) or not self.sources(tensor):
            return tensor
        if id(tensor) not in self._stand_ins:
            alias = tensor.detach()
            self._stand_ins[id(tensor)], self._weights[id(alias)] = alias, tensor
        return self._stand_ins[id(tensor)]

    def tap(self, out: Tensor, forms: Iterable[Form], way: str, *kept: Tensor) -> Tensor:
        """See ``Engine``."""
        uses = [use for operand, make in forms if (use := self._use(operand, make, way))]
        if not out.requires_grad:
            leaf = out.requires_grad_()
            self._leaves.append(leaf)
            out = torch.ops.aten._unsafe_view.default(leaf, leaf.shape)  # may be changed in place
        assert out.grad_fn is not None
        versions = [tensor._version for tensor in kept]

        def receive(gradients: tuple[Tensor | None, ...]) -> None:
            gradient = gradients[0]
            if gradient is None:
                return
            _check_unchanged(kept, versions)
            for weight, make in uses if self._listening else ():
                if id(weight) in self._wanted:
                    self.uses.deliver(weight, make(gradient))
                else:
                    self._derived[id(weight)].append(make(gradient))

        out.grad_fn.register_prehook(receive)
        return out

    def _use(self, operand: Tensor | None, make: Make, way: str) -> tuple[Tensor, Make] | None:
        """Register the use of a weight; return None for anything else."""
        if operand is None:
            return None
        weight = self._weights.get(id(operand), operand)
        base = weight._base
        if base is not None and id(base) in self._wanted and _is_transposed(weight, base):
            weight, make = base, _turned(make)
        if id(weight) in self._wanted:
            self.uses.add(weight, way)
            return weight, make
        for parameter in self.sources(weight):
            through = f"per sample, through {_made_by(weight)}: {way}"
            self.uses.add(parameter, through, int(id(weight) not in self._derived))
        if not self.sources(weight):
            return None
        self._derived.setdefault(id(weight), [])
        return weight, make


class PulledBack(Contribution):
    """Jᵀ g_n for each sample n, with J the derivative of a derived weight W(p) for a parameter p.

    W is the weight that the samples are combined with, such as a normalised, sliced or concatenated
    parameter; ``uses`` are the contributions to it.
    """

    def __init__(self, derived: Tensor, parameter: Tensor, uses: Sequence[Contribution]) -> None:
        self._derived, self._parameter, self._uses = derived, parameter, uses
        self.samples = uses[0].samples

    def dense(self, rows: slice) -> Tensor:
        """See ``Contribution``."""
        return self._pulled(dense_sum(self._uses, rows).reshape(-1, *self._derived.shape))

    def gradient(self) -> Tensor:
        """See ``Contribution``."""
        total = torch.stack([use.gradient().reshape(self._derived.shape) for use in self._uses])
        return self._pulled(total.sum(0, keepdim=True))[0]

    def _pulled(self, gradients: Tensor) -> Tensor:
        (found,) = torch.autograd.grad(
            self._derived,
            self._parameter,
            gradients.to(self._derived.dtype),
            retain_graph=True,
            is_grads_batched=True,
        )
        return precise(found)


def _check_unchanged(kept: Sequence[Tensor], versions: Sequence[int]) -> None:
    for tensor, version in zip(kept, versions, strict=True):
        if tensor._version != version:
            raise RuntimeError(
                f"a tensor {tuple(tensor.shape)} that the backward pass needs was changed in place "
                "after a layer used it; its weights then have no gradient"
            )


def _is_transposed(weight: Tensor, matrix: Tensor) -> bool:
    shapes = matrix.ndim == 2 and weight.shape == matrix.mT.shape
    return shapes and weight.stride() == matrix.mT.stride()


def _turned(make: Make) -> Make:
    """Transpose the contribution to a matrix."""

    def turned(gradient: Tensor) -> Contribution:
        one = make(gradient)
        return Outer(one.g, one.a) if isinstance(one, Outer) else Dense(one.dense(slice(None)).mT)

    return turned


def leaves(output: Tensor) -> set[int]:
    """Find the ids of the leaves of the graph of a tensor."""
    found: set[int] = set()
    nodes = [output.grad_fn] if output.grad_fn is not None else []
    seen = set(nodes)
    while nodes:
        node = nodes.pop()
        behind = node.next_functions
        if not behind and hasattr(node, "variable"):
            found.add(id(node.variable))
        for following, _ in behind:
            if following is not None and following not in seen:
                seen.add(following)
                nodes.append(following)
    return found


def _made_by(weight: Tensor) -> str:
    name = "" if weight.grad_fn is None else weight.grad_fn.name()
    return f"`{name.removesuffix('0').removesuffix('Backward')}`"


def _got(logits: object) -> str:
    shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
    return f"; got {shape} for a batch of one"
