"""Tensors with metadata: safetensors files with a checksum, written atomically, memory-mapped."""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import Tensor

from wpl.files import atomic
from wpl_lab.io.files import DamagedError

VERSION = 2  # the checksum of version 1 did not cover the metadata


class ArtifactError(ValueError):
    """A file is missing, damaged, or not of the expected kind."""


class DamagedArtifactError(DamagedError, ArtifactError):
    """A tensor file is damaged: not as it was written."""


def save_tensors(path: Path | str, kind: str, tensors: Mapping[str, Tensor], **about: Any) -> None:
    """Write tensors as safetensors.

    Args:
        path: The file.
        kind: What the file holds; ``load_tensors`` must be given the same.
        tensors: By name, of any shapes.
        **about: Metadata that JSON can hold: seeds, kind of Fisher, number of samples.
    """
    plain = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    about = json.loads(json.dumps({**about, "torch": torch.__version__}))  # as it is read
    metadata = {"kind": kind, "version": VERSION, "sha256": _digest(plain, about), "about": about}
    # One entry: safetensors has no fixed order for several, and bytes must be reproducible.
    with atomic(path) as temporary:
        temporary.write_bytes(serialise(plain, {"wpl": json.dumps(metadata, sort_keys=True)}))


def load_tensors(path: Path | str, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a file written by ``save_tensors``.

    The tensors are memory-mapped: pages are read when they are used. Writing to a tensor changes
    its copy in memory, not the file.

    Args:
        path: The file.
        kind: What it must hold, as given to ``save_tensors``.

    Returns:
        The tensors by name, in the shapes in which they were saved, and the metadata.

    Raises:
        ArtifactError: If the file is missing, or holds another kind or version.
        DamagedArtifactError: If it is not safetensors, or does not match its checksum.
    """
    try:
        with Path(path).open("rb"), safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {})["wpl"])
            kept = {key: metadata[key] for key in ("kind", "version", "sha256", "about")}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        what = f"not a tensor file of this project, or damaged: {error}"
        raise DamagedArtifactError(path, what) from error
    for key, expected in (("kind", kind), ("version", VERSION)):
        if kept[key] != expected:
            raise ArtifactError(f"{path}: expected {key} {expected!r}, found {kept[key]!r}")
    found = _digest(tensors, kept["about"])
    if found != kept["sha256"]:
        what = f"expected sha256 {kept['sha256']!r}, found {found!r}; the file is damaged"
        raise DamagedArtifactError(path, what)
    return _Tensors(path, tensors), kept["about"]


def check_tensors(
    path: Path | str,
    tensors: Mapping[str, Tensor],
    *,
    least: float = -math.inf,
    like: tuple[Path | str, Mapping[str, Tensor]] | None = None,
) -> None:
    """Check the values and shapes of tensors from a file.

    Args:
        path: The file.
        tensors: By name, the tensors read from it.
        least: Smallest valid value.
        like: Another file, and tensors from it that have the same names and shapes.

    Raises:
        ArtifactError: If a value is not finite or less than ``least``, or names or shapes differ.
    """
    for name, tensor in sorted(tensors.items()):
        if not tensor.isfinite().all():
            raise ArtifactError(f"{path}: {name!r} is not finite")
        if (tensor < least).any():
            raise ArtifactError(f"{path}: {name!r} is less than {least:g}")
    other, others = like or (path, tensors)
    for name in sorted(tensors.keys() ^ others.keys()):
        has, lacks = (path, other) if name in tensors else (other, path)
        raise ArtifactError(f"{lacks}: holds no {name!r}, but {has} does")
    for name, tensor in sorted(tensors.items()):
        if tensor.shape != others[name].shape:
            shapes = f"{tuple(tensor.shape)}; in {other} it has {tuple(others[name].shape)}"
            raise ArtifactError(f"{path}: {name!r} has shape {shapes}")


class _Tensors(dict[str, Tensor]):
    """Tensors by name, from a file; a missing name is an error of the file."""

    def __init__(self, path: Path | str, tensors: Mapping[str, Tensor]) -> None:
        super().__init__(tensors)
        self._path = path

    def __missing__(self, name: str) -> Tensor:
        raise ArtifactError(f"{self._path}: holds no {name!r}")


def _digest(tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name in sorted(tensors):
        t = tensors[name]
        digest.update(f"{name} {t.dtype} {tuple(t.shape)}\n".encode())
        digest.update(t.reshape(-1).view(torch.uint8).numpy().data)  # the bytes, without a copy
    return digest.hexdigest()
