"""Tensors with metadata: safetensors with a checksum, written whole, read as a map."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import Tensor

from wpl.files import atomic

VERSION = 1


class ArtifactError(ValueError):
    """A file is missing, damaged, or not of the kind that was expected."""


def save_tensors(path: Path | str, kind: str, tensors: Mapping[str, Tensor], **about: Any) -> None:
    """Write tensors as safetensors.

    Args:
        path: The file.
        kind: What the file holds, as ``load_tensors`` will ask for it.
        tensors: By name.
        **about: Metadata that JSON can hold: seeds, kind of Fisher, number of samples.
    """
    plain = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    about = {**about, "torch": torch.__version__}
    metadata = {"kind": kind, "version": VERSION, "sha256": _digest(plain), "about": about}
    # One entry: safetensors does not write several in a fixed order, and bytes must repeat.
    with atomic(path) as temporary:
        temporary.write_bytes(serialise(plain, {"wpl": json.dumps(metadata, sort_keys=True)}))


def load_tensors(path: Path | str, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read tensors that ``save_tensors`` wrote.

    They are maps of the file: what is not looked at takes no memory, and what is may be taken back
    by the system. To write to one changes its copy in memory, not the file.

    Returns:
        The tensors by name, and the metadata.

    Raises:
        ArtifactError: If the file is missing, is not safetensors, does not match its checksum, or
            holds another kind or version.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {})["wpl"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (SafetensorError, ValueError, KeyError) as error:
        raise ArtifactError(
            f"{path}: not a tensor file of this project, or damaged: {error}"
        ) from error
    for key, expected in (("kind", kind), ("version", VERSION), ("sha256", _digest(tensors))):
        if metadata.get(key) != expected:
            raise ArtifactError(
                f"{path}: expected {key} {expected!r}, found {metadata.get(key)!r}"
                + ("; the file is damaged" if key == "sha256" else "")
            )
    return tensors, metadata["about"]


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        t = tensors[name]
        digest.update(f"{name} {t.dtype} {tuple(t.shape)}\n".encode())
        digest.update(t.reshape(-1).view(torch.uint8).numpy().data)  # the bytes where they are
    return digest.hexdigest()
