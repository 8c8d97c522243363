"""Reading and writing of tensors piece by piece, in memory or in safetensors files."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from wpl.files import atomic

Source = Mapping[str, Tensor] | Path | str

_INDEX = "model.safetensors.index.json"
_TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


class Layout(NamedTuple):
    """Shape and data type of a tensor."""

    shape: tuple[int, ...]
    dtype: torch.dtype

    def pieces(self, elements: int) -> list[slice]:
        """Split the first dimension into pieces of about this many elements, or of one row.

        Returns:
            The pieces' rows; one piece for a scalar.
        """
        if not self.shape:
            return [slice(None)]
        rows = max(1, elements // max(1, prod(self.shape[1:])))
        return [slice(start, start + rows) for start in range(0, max(1, self.shape[0]), rows)]


class TensorReader:
    """Reads tensors by name from a mapping, a safetensors file, or a folder of such files.

    A file is opened for each piece, so that its pages are released with the piece.

    Attributes:
        title: Name of the source, for errors.
        layouts: By name, shape and data type.
    """

    def __init__(self, source: Source) -> None:
        """Read names, shapes and data types, but no tensor.

        Args:
            source: The tensors; a folder holds ``model.safetensors``, or several files and an index
                as Hugging Face writes them.
        """
        self._tensors: Mapping[str, Tensor] = {}
        self._files: dict[str, Path] = {}
        if isinstance(source, Mapping):
            self.title, self._tensors = f"a mapping of {len(source)} tensors", source
            self.layouts = {name: Layout(tuple(t.shape), t.dtype) for name, t in source.items()}
            return
        self.title, self.layouts = str(source), {}
        for path in _paths(Path(source)):
            for name, layout in _layouts(path).items():
                self._files[name], self.layouts[name] = path, layout

    def piece(self, name: str, rows: slice) -> Tensor:
        """Read some rows of a tensor.

        Args:
            name: Name of the tensor.
            rows: Rows of its first dimension; ignored for a scalar.

        Returns:
            The rows ``(row, ...)``, read-only.
        """
        if name in self._tensors:
            whole = self._tensors[name].detach()
            return whole[rows] if whole.ndim else whole
        with safe_open(self._files[name], framework="pt") as file:
            if not self.layouts[name].shape:
                return file.get_tensor(name)  # type: ignore[no-any-return]
            return file.get_slice(name)[rows]  # type: ignore[no-any-return]

    def tied(self) -> list[list[str]]:
        """Find tensors in memory that have several names.

        Returns:
            For each, its names.
        """
        names: dict[tuple[int, torch.Size], list[str]] = {}
        for name, t in self._tensors.items():
            names.setdefault((t.data_ptr(), t.shape), []).append(name)
        return [several for several in names.values() if len(several) > 1]


@contextmanager
def written(path: Path | str, layouts: Mapping[str, Layout]) -> Iterator[Callable[[Tensor], None]]:
    """Write a safetensors file piece by piece, and atomically.

    Args:
        path: The file.
        layouts: By name, the shape and data type of each tensor, in the order of writing.

    Yields:
        A function that takes the next piece: rows ``(row, ...)`` of a tensor.
    """
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    names, end = {dtype: name for name, dtype in _TYPES.items()}, 0
    for name, (shape, dtype) in layouts.items():
        start, end = end, end + prod(shape) * dtype.itemsize
        header[name] = {"dtype": names[dtype], "shape": shape, "data_offsets": [start, end]}
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with atomic(path) as temporary, temporary.open("wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)

        def write(piece: Tensor) -> None:
            file.write(piece.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)

        yield write


def _paths(source: Path) -> list[Path]:
    """List the safetensors files of a source."""
    if not source.is_dir():
        return [source]
    index = source / _INDEX
    if index.exists():
        return sorted(
            {source / name for name in json.loads(index.read_text())["weight_map"].values()}
        )
    return [source / "model.safetensors"]


def _layouts(path: Path) -> dict[str, Layout]:
    """Read the header of a file."""
    try:
        with safe_open(path, framework="pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            types = {name: part.get_dtype() for name, part in slices.items()}
            shapes = {name: tuple(part.get_shape()) for name, part in slices.items()}
    except SafetensorError as error:
        raise ValueError(f"{path}: not a safetensors file, or damaged: {error}") from error
    for name, kind in types.items():
        if kind not in _TYPES:
            raise ValueError(
                f"{path}: {name!r} has data type {kind}; known are {', '.join(_TYPES)}"
            )
    return {name: Layout(shapes[name], _TYPES[kind]) for name, kind in types.items()}
