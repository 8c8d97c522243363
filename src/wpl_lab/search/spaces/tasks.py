"""The tasks that architectures are searched for."""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from wpl_lab.search.protocol import Task
from wpl_lab.search.search_names import MODULES, TaskName


def tasks(
    name: TaskName, data: Path | str, *, device: torch.device | str, model: Mapping[str, Any]
) -> Callable[[int], Task]:
    """Read the data of a task once.

    Args:
        name: Of the task.
        data: File of the text or of the images.
        device: Where models and batches are.
        model: What else the task is made of.

    Returns:
        A function that makes the task, with fresh weights, of a root seed.

    Raises:
        ArtifactError: If the file is missing, damaged or of another kind.
    """
    made: Callable[[int], Task] = import_module(MODULES[name]).tasks(data, device=device, **model)
    return made
