"""The tasks that are searched on."""

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
    """Make a task from its data file.

    Args:
        name: Name of the task.
        data: File of the text or of the images.
        device: Where weights and batches are.
        model: The other arguments of the task's class.

    Returns:
        The task.

    Raises:
        ArtifactError: If the file is missing, damaged or of another kind.
    """
    made: Task = import_module(MODULES[name]).make_task(data, device=device, **model)
    return made
