"""The tasks that architectures are searched for."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from wpl_lab.search.protocol import Task
from wpl_lab.search.search_names import MODULES, TaskName


def make_task(
    name: TaskName, data: Path | str, *, device: torch.device | str, model: Mapping[str, Any]
) -> Task:
    """Read the data of a task, and lay it out.

    Args:
        name: Of the task.
        data: File of the text or of the images.
        device: Where weights and batches are.
        model: What else the task is made of.

    Returns:
        The task.

    Raises:
        ArtifactError: If the file is missing, damaged or of another kind.
    """
    made: Task = import_module(MODULES[name]).make_task(data, device=device, **model)
    return made
