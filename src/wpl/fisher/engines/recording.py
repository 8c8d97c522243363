"""A forward pass of some samples, recorded so that vectors can be back-propagated through it."""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from wpl.fisher.accumulation.contributions import Dense, Outer, PulledBack
from wpl.fisher.accumulation.squares import Accumulation, Contribution
from wpl.fisher.layers.registry import Form, Make

Rows = slice | Tensor
Gradients = dict[int, Tensor]  # of parameters, by id


class Job(NamedTuple):
    """What all recordings of an estimate share."""

    parameters: Mapping[str, Tensor]  # the wanted parameters, by name
    squares: Accumulation  # accumulates their contributions
    with_gradient: bool  # whether the gradient may be asked for, too


class Recording(ABC):
    """The uses of the wanted parameters in one forward pass, and the backward pass.

    A weight is a wanted parameter, or a tensor computed from such parameters without the samples.
    """

    logits: Tensor

    def __init__(self, job: Job, rows: Rows) -> None:
        self.job, self.rows = job, rows
        self.ways: dict[int, list[str]] = defaultdict(list)  # for ``explain``
        self.listening = False
        self._wanted = {id(p): p for p in job.parameters.values()}
        self._weights: dict[int, tuple[Tensor, Tensor]] = {}  # with their stand-ins
        self._stood_for: dict[int, Tensor] = {}  # by stand-in
        self._sources: dict[int, tuple[Tensor, list[Tensor]]] = {}
        self._uses: dict[int, int] = defaultdict(int)
        self._waiting: dict[int, list[Contribution]] = defaultdict(list)

    @abstractmethod
    def send_back(self, vector: Tensor, *, squares: bool, gradient: bool, keep: bool) -> Gradients:
        """Back-propagate a vector in the shape of the logits to the wanted parameters.

        Args:
            vector: What to back-propagate.
            squares: Whether to accumulate the squares.
            gradient: Whether to return the gradients.
            keep: Whether more vectors follow.

        Returns:
            The gradients, if asked for.
        """

    def sources(self, tensor: Tensor) -> list[Tensor]:
        """List the wanted parameters from which a tensor without samples is computed."""
        if id(tensor) in self._wanted:
            return [tensor]
        if not tensor.requires_grad:
            return []
        if id(tensor) not in self._sources:
            behind = [self._wanted[key] for key in leaves(tensor) if key in self._wanted]
            self._sources[id(tensor)] = tensor, behind
        return self._sources[id(tensor)][1]

    def stand_in(self, weight: Any) -> Any:
        """Replace a weight by a stand-in; anything else is returned unchanged."""
        if not isinstance(weight, Tensor) or not self.sources(weight):
            return weight
        key = id(weight)
        if key not in self._weights:
            alias = weight.detach()
            if self.job.with_gradient:
                alias.requires_grad_()
            self._weights[key] = weight, alias
            self._stood_for[id(alias)] = weight
        return self._weights[key][1]

    def add_use(
        self, forms: Iterable[Form], way: str, kept: Iterable[Tensor]
    ) -> Callable[[Tensor], None]:
        """Register a use of some weights.

        Args:
            forms: For each weight or stand-in, what the gradient of the output contributes.
            way: A description, for ``explain``.
            kept: Tensors that the forms need, which must not be changed in place.

        Returns:
            A function that takes the gradient of the output.
        """
        found: list[tuple[Tensor, Make]] = []
        for operand, form in forms:
            weight, make = self._stood_for.get(id(operand), operand), form
            if weight is None:
                continue
            matrix = self._transposed(weight)
            if matrix is not None:
                weight, make = matrix, _turned(make)
            if id(weight) in self._wanted:
                self._uses[id(weight)] += 1
                self.ways[id(weight)].append(way)
                found.append((weight, make))
            elif self.sources(weight):
                self._count_derived_use(weight, way)
                found.append((weight, make))
        check = unchanged(kept)

        def receive(gradient: Tensor) -> None:
            check()
            if self.listening:
                for weight, make in found:
                    self._deliver(weight, make(gradient))

        return receive

    def _count_derived_use(self, weight: Tensor, way: str) -> None:
        """Count one more use of a weight that is made of parameters."""
        for parameter in self.sources(weight):
            self._uses[id(parameter)] += not self._uses[id(weight)]
            self.ways[id(parameter)].append(f"per sample, through {_made_by(weight)}: {way}")
        self._uses[id(weight)] += 1

    def _transposed(self, weight: Tensor) -> Tensor | None:
        """Find the wanted matrix that a weight is a transposed view of."""
        base = weight._base
        if base is None or base.ndim != 2 or id(base) not in self._wanted:
            return None
        same = weight.shape == base.mT.shape and weight.stride() == base.mT.stride()
        return base if same else None

    @torch.no_grad()
    def end_pass(self) -> None:
        """Square the contributions that waited for uses without a part in the loss."""
        for key in [key for key in self._waiting if key not in self._wanted]:
            weight, sources = self._sources[key]
            contributions = self._waiting.pop(key)
            for parameter in sources:
                self._deliver(parameter, PulledBack(weight, parameter, contributions))
        for key in list(self._waiting):
            self._square(self._wanted[key])

    def _deliver(self, weight: Tensor, contribution: Contribution) -> None:
        """Add the contribution of a use; a parameter's uses are squared together."""
        key = id(weight)
        self._waiting[key].append(contribution)
        if len(self._waiting[key]) == self._uses[key] and key in self._wanted:
            self._square(weight)

    def _square(self, parameter: Tensor) -> None:
        self.job.squares.add_(parameter, self._waiting.pop(id(parameter)), self.rows)

    def gradients(self, found: Iterable[Tensor | None]) -> Gradients:
        """Map gradients of the stand-ins, None where there is none, to those of the parameters."""
        total: Gradients = {}
        for (weight, _), gradient in zip(self._weights.values(), found, strict=True):
            if gradient is None:
                continue
            sources = self.sources(weight)
            each: Iterable[Tensor] = [gradient]
            if sources[0] is not weight:
                each = torch.autograd.grad(weight, sources, gradient, retain_graph=True)
            for parameter, g in zip(sources, each, strict=True):
                add_to(total, id(parameter), g.clone())
        return total


def add_to(total: Gradients, key: int, gradient: Tensor) -> None:
    """Add the gradient of a parameter, by its id."""
    total[key] = total[key] + gradient if key in total else gradient


def _turned(make: Make) -> Make:
    """Transpose the contribution to a matrix."""

    def turned(gradient: Tensor) -> Contribution:
        one = make(gradient)
        return Outer(one.g, one.a) if isinstance(one, Outer) else Dense(one.dense(slice(None)).mT)

    return turned


def unchanged(tensors: Iterable[Tensor]) -> Callable[[], None]:
    """Return a function that raises an error if one of the tensors was changed in place since."""
    versions = [(t, t._version) for t in tensors]

    def check() -> None:
        for tensor, version in versions:
            if tensor._version != version:
                raise RuntimeError(
                    f"a tensor {tuple(tensor.shape)} that the backward pass needs was changed in "
                    "place after a layer used it; its weights then have no gradient"
                )

    return check


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
