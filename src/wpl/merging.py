"""Merging of models: averages weighted by the Fisher information.

Matena & Raffel, "Merging Models with Fisher-Weighted Averaging" (2022).
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from wpl.tensor_files import Source, TensorReader, written

_PIECE = 2**20  # elements processed at once: bounds memory, without effect on results


def merge(
    models: Sequence[tuple[Source, Source]],
    *,
    coefficients: Sequence[float] | None = None,
    floor: float = 0.0,
    path: Path | str | None = None,
) -> dict[str, Tensor]:
    """Average models element-wise: θ = Σ_m λ_m F_m θ_m / Σ_m λ_m F_m (Matena & Raffel 2022).

    Files are read and written piece by piece, so that memory use does not depend on their size.

    Args:
        models: For each model, its weights and its Fisher information, in the shapes of the
            weights: tensors by name, a safetensors file, or a folder of them as Hugging Face writes
            it. Weights without Fisher information (frozen ones, statistics of batch norm) are
            averaged with equal weights; integer tensors are taken from the first model.
        coefficients: λ_m > 0 for each model; by default all equal.
        floor: Added to F. Where F is 0 in all models, they have equal weights.
        path: A safetensors file to write, instead of returning the result.

    Returns:
        By name, the merged weights, in the shapes and data types of the first model; empty if they
        were written to a file.

    Raises:
        ValueError: If there is no model, if names or shapes differ, if Fisher information is
            negative or not finite, or if a coefficient or the floor is out of range.
    """
    group = _models(models, coefficients, floor)
    layouts = group[0].weights.layouts
    if path is None:
        return {
            name: torch.cat([piece.reshape(-1) for piece in _merged(name, group, floor)])
            .to(layout.dtype)
            .reshape(layout.shape)
            for name, layout in layouts.items()
        }
    with written(path, layouts) as write:
        for name in layouts:
            for piece in _merged(name, group, floor):
                write(piece)
    return {}


class _Model(NamedTuple):
    """One of the models that are merged."""

    factor: float  # λ
    weights: TensorReader
    fisher: TensorReader
    key: dict[str, str]  # by name of a weight, the name of its Fisher information


def _models(
    models: Sequence[tuple[Source, Source]], coefficients: Sequence[float] | None, floor: float
) -> list[_Model]:
    """Open all sources and pair the names of weights with those of Fisher information."""
    if not models:
        raise ValueError("models is empty: there is nothing to merge")
    factors = [1.0] * len(models) if coefficients is None else list(coefficients)
    if len(factors) != len(models) or not all(0 < factor < math.inf for factor in factors):
        raise ValueError(f"expected {len(models)} coefficients above 0, one a model; got {factors}")
    if not 0 <= floor < math.inf:
        raise ValueError(f"floor must be finite and not negative; got {floor}")
    sources = [(TensorReader(weights), TensorReader(fisher)) for weights, fisher in models]
    group = [_Model(f, *pair, _keys(*pair)) for f, pair in zip(factors, sources, strict=True)]
    for model in group:
        _check(model, group[0])
    return group


def _keys(weights: TensorReader, fisher: TensorReader) -> dict[str, str]:
    """Find each weight's Fisher information; tied weights have it under one of their names."""
    keys = {name: name for name in fisher.layouts}
    for names in weights.tied():
        known = [name for name in names if name in fisher.layouts]
        keys |= dict.fromkeys(names, known[0]) if known else {}
    return keys


def _check(model: _Model, first: _Model) -> None:
    """Raise an error for a model that does not fit the first one, before anything is written."""
    layouts = model.weights.layouts
    for name in sorted(layouts.keys() ^ first.weights.layouts.keys()):
        lacks = first if name in layouts else model
        raise ValueError(f"{lacks.weights.title} has no weight {name!r}, another model has")
    for name in sorted(model.key.keys() - layouts.keys()):
        raise ValueError(f"{model.weights.title} has no weight {name!r}, {model.fisher.title} has")
    for name in sorted(model.key.keys() ^ first.key.keys()):
        lacks = first if name in model.key else model
        raise ValueError(f"{lacks.fisher.title} has no {name!r}, another Fisher information has")
    for name, (expected, _) in first.weights.layouts.items():
        shapes = [(model.weights.title, layouts[name].shape)]
        if name in model.key:
            shapes.append((model.fisher.title, model.fisher.layouts[model.key[name]].shape))
        for title, shape in shapes:
            if shape != expected:
                raise ValueError(f"{name!r} has shape {shape} in {title}; expected {expected}")


def _merged(name: str, group: Sequence[_Model], floor: float) -> Iterator[Tensor]:
    """Merge one weight, piece by piece, in the data type of the first model."""
    layout = group[0].weights.layouts[name]
    for rows in layout.pieces(_PIECE):
        first = group[0].weights.piece(name, rows)
        yield _average(name, rows, group, floor).to(first) if first.is_floating_point() else first


def _average(name: str, rows: slice, group: Sequence[_Model], floor: float) -> Tensor:
    """Average some rows of a weight in double precision."""
    numerator, denominator, even = (torch.zeros((), dtype=torch.float64) for _ in range(3))
    for model in group:
        theta = model.weights.piece(name, rows).double()
        even = even + model.factor * theta
        if name in model.key:
            f = model.fisher.piece(model.key[name], rows).to(theta)
            if not (f.isfinite() & (f >= 0)).all():
                raise ValueError(
                    f"{model.fisher.title}: the Fisher information of {name!r} is negative or not "
                    "finite"
                )
            weight = model.factor * (f + floor)
            numerator, denominator = numerator + weight * theta, denominator + weight
    even = even / sum(model.factor for model in group)
    return torch.where(denominator > 0, numerator / denominator, even)
