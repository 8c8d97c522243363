"""Files of the project: tensors with metadata, tables, metrics. Written whole or not at all."""

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors import SafetensorError
from safetensors.torch import load as parse
from safetensors.torch import save as serialise
from torch import Tensor

VERSION = 1


class ArtifactError(ValueError):
    """A file is missing, damaged, or not of the kind that was expected."""


@contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Give a temporary path beside ``path``, moved there when the block ends without an error.

    A job that is killed, or meets a full disk, leaves what stood at ``path`` untouched.

    Yields:
        The temporary path, in the folder of ``path``.

    Raises:
        OSError: If the file cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def save_tensors(path: Path | str, kind: str, tensors: Mapping[str, Tensor], **about: Any) -> None:
    """Write tensors as safetensors.

    Args:
        path: The file.
        kind: What the file holds, as ``load_tensors`` will ask for it.
        tensors: By name.
        **about: Metadata that JSON can hold: seeds, kind of Fisher, number of samples.
    """
    plain = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    metadata = {"kind": kind, "version": VERSION, "sha256": _digest(plain), "about": about}
    # One entry: safetensors does not write several in a fixed order, and bytes must repeat.
    with atomic(path) as temporary:
        temporary.write_bytes(serialise(plain, {"wpl": json.dumps(metadata, sort_keys=True)}))


def load_tensors(path: Path | str, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read tensors that ``save_tensors`` wrote.

    Returns:
        The tensors by name, and the metadata.

    Raises:
        ArtifactError: If the file is missing, is not safetensors, does not match its checksum, or
            holds another kind or version.
    """
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        tensors = parse(raw)
        header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
        metadata = json.loads(header["__metadata__"]["wpl"])
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


def save_table(path: Path | str, table: pd.DataFrame) -> None:
    """Write a table as CSV, numbers in their shortest exact form."""
    with atomic(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


def save_json(path: Path | str, value: Mapping[str, Any]) -> None:
    """Write metrics as JSON; a number that is not finite becomes null."""
    save_text(path, json.dumps(_finite(value), indent=2) + "\n")


def save_text(path: Path | str, text: str) -> None:
    """Write text as UTF-8."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        t = tensors[name]
        digest.update(f"{name} {t.dtype} {tuple(t.shape)}\n".encode())
        digest.update(t.numpy().tobytes())
    return digest.hexdigest()
