"""The diagonal Fisher information by parameter name, with metadata; files of it."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import Tensor, nn
from torch.distributed import ProcessGroup, ReduceOp

from wpl.files import atomic

_VERSION = 1


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Fisher(Mapping[str, Tensor]):
    """Diagonal Fisher information by parameter name, with the facts that it depends on.

    A strength α has a meaning only together with these facts, so they are saved with the tensors.
    ``a + b`` combines the estimates on two shards of the data into the one on both.

    Attributes:
        tensors: By name, F in the shape of its parameter.
        kind: Where the labels come from, as in ``diagonal_fisher``.
        samples: Number of samples in the mean.
        unit: ``"sequence"`` if the log-likelihood of a sample sums over its positions, ``"token"``
            if it is their mean.
        likelihood: Likelihood of the outputs, as in ``diagonal_fisher``.
        floor: What was added to F.
        model: ``fingerprint`` of the model; empty if unknown.
    """

    tensors: Mapping[str, Tensor]
    kind: str
    samples: int
    unit: str = "sequence"
    likelihood: str = "categorical"
    floor: float = 0.0
    model: str = ""

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    def __repr__(self) -> str:
        facts = ", ".join(f"{name}={value!r}" for name, value in self.facts().items())
        return f"Fisher({facts}, {len(self)} tensors)"

    def facts(self) -> dict[str, Any]:
        """Return all attributes but the tensors, in a form that JSON can hold."""
        return {
            name: getattr(self, name) for name in self.__dataclass_fields__ if name != "tensors"
        }

    def __add__(self, other: "Fisher") -> "Fisher":
        """Combine the estimates on two shards of the data, weighted by their numbers of samples.

        Returns:
            The estimate of the same quantity on both.

        Raises:
            ValueError: If the two differ in more than their samples.
        """
        if not isinstance(other, Fisher):
            return NotImplemented
        check_alike(self, other)
        samples = self.samples + other.samples
        share = other.samples / samples
        joined = {
            name: f.double().lerp(other[name].to(f.device).double(), share).to(f)
            for name, f in self.items()
        }
        return replace(self, tensors=joined, samples=samples)

    def over_processes(self, group: ProcessGroup | None = None) -> "Fisher":
        """Combine the estimates of all processes of a group, each on its own shard of the data.

        Every process calls this, with at least one sample, and gets the same result.

        Args:
            group: A group of ``torch.distributed``; by default, all processes.

        Returns:
            The estimate on the data of all processes.

        Raises:
            ValueError: If the processes' estimates differ in more than their samples.
        """
        device = next(iter(self.values())).device
        low, high = (torch.tensor(_number(self), device=device) for _ in range(2))
        torch.distributed.all_reduce(low, ReduceOp.MIN, group)
        torch.distributed.all_reduce(high, ReduceOp.MAX, group)
        if low != high:
            raise ValueError(
                "the processes hold different quantities: kind, unit, likelihood, floor, model and "
                f"the tensors' names and shapes must agree; this one has {self!r}"
            )
        samples = torch.tensor(self.samples, device=device)
        torch.distributed.all_reduce(samples, group=group)
        joined = {}
        for name, f in self.items():
            total = f.double() * self.samples
            torch.distributed.all_reduce(total, group=group)
            joined[name] = (total / samples).to(f)
        return replace(self, tensors=joined, samples=int(samples))

    def save(self, path: Path | str) -> None:
        """Write the tensors and the facts to a safetensors file, atomically."""
        plain = {name: f.detach().cpu().contiguous() for name, f in self.items()}
        about = {"version": _VERSION, "names": list(self), **self.facts()}  # in this order
        with atomic(path) as temporary:
            temporary.write_bytes(serialise(plain, {"wpl": json.dumps(about, sort_keys=True)}))

    @classmethod
    def load(cls, path: Path | str, *, model: nn.Module | None = None) -> Self:
        """Read a file written by ``save``.

        Args:
            path: The file.
            model: If given, ``check`` is called with it, and the tensors are moved to the devices
                of its parameters.

        Returns:
            The Fisher information.

        Raises:
            ValueError: If the file is not one of Fisher information, is damaged, or does not fit
                the model.
        """
        try:
            with safe_open(path, framework="pt") as file:
                about = json.loads((file.metadata() or {})["wpl"])
                tensors = {name: file.get_tensor(name) for name in about.pop("names")}
            if about.pop("version") != _VERSION:
                raise ValueError(f"not version {_VERSION}")
            fisher = cls(tensors=tensors, **about)
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            message = f"{path}: not a file of Fisher information, or damaged: {error}"
            raise ValueError(message) from error
        for name, f in tensors.items():
            if not (f.isfinite() & (f >= 0)).all():
                raise ValueError(f"{path}: {name!r} is negative or not finite")
        if model is None:
            return fisher
        fisher.check(model)
        devices = {name: model.get_parameter(name).device for name in tensors}
        placed = {name: f.to(devices[name]) for name, f in tensors.items()}
        return replace(fisher, tensors=placed)

    def check(self, model: nn.Module, *, weights: bool = False) -> None:
        """Raise an error for a model that this is not the Fisher information of.

        Args:
            model: Names and shapes of its parameters are checked.
            weights: Whether its weights must also be those of the estimate.

        Raises:
            ValueError: If a name is missing, or a shape or the fingerprint differs.
        """
        known = dict(model.named_parameters(remove_duplicate=False))
        for name, f in self.items():
            if name not in known:
                raise ValueError(f"the model has no parameter {name!r}; it has {', '.join(known)}")
            if known[name].shape != f.shape:
                raise ValueError(
                    f"the Fisher information of {name!r} has shape {tuple(f.shape)}; the model's "
                    f"parameter has {tuple(known[name].shape)}"
                )
        if weights and self.model and self.model != fingerprint(model):
            raise ValueError(
                "the Fisher information was estimated at other weights than the model has now"
            )


def fingerprint(model: nn.Module) -> str:
    """Compute a digest of a model's parameters: names, shapes, and some values of each.

    It changes when weights are trained further, or with the architecture. Only eight values per
    parameter are read, so that it is cheap.

    Args:
        model: The model, on any device and in any precision.

    Returns:
        Sixteen hexadecimal digits.
    """
    known = dict(model.named_parameters(remove_duplicate=False))
    once = {id(p): (name, p) for name, p in reversed(known.items())}
    digest = hashlib.sha256(repr([(name, *p.shape) for name, p in once.values()]).encode())
    with torch.no_grad():
        some = [p.reshape(-1)[:: p.numel() // 8 or 1] for _, p in once.values() if p.numel()]
        if some:
            spread = len({s.device for s in some}) > 1
            values = torch.cat([s.cpu() for s in some] if spread else some)
            digest.update(values.double().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def check_alike(one: Fisher, other: Fisher) -> None:
    """Raise an error for estimates of different quantities.

    Raises:
        ValueError: If the two differ in more than their samples.
    """
    facts = one.facts(), other.facts()
    for name in ("kind", "unit", "likelihood", "floor", "model"):
        a, b = (each[name] for each in facts)
        if a != b and not (name == "model" and not (a and b)):
            raise ValueError(
                f"only estimates of the same quantity can be added: {name} is {a!r} and {b!r}"
            )
    for name in {**one, **other}:
        if name not in one or name not in other:
            raise ValueError(f"{name!r} is missing from one of the two")
        if one[name].shape != other[name].shape:
            raise ValueError(
                f"{name!r} has shapes {tuple(one[name].shape)} and {tuple(other[name].shape)}"
            )


def _number(fisher: Fisher) -> int:
    """Hash everything that must agree between estimates that are added."""
    facts = {name: value for name, value in fisher.facts().items() if name != "samples"}
    shapes = [(name, tuple(f.shape)) for name, f in fisher.items()]
    digest = hashlib.sha256(repr((sorted(facts.items()), shapes)).encode()).digest()
    return int.from_bytes(digest[:7], "big")
