"""The tasks that architectures are searched for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from wpl_lab.data.images import load_images
from wpl_lab.data.text import load_text
from wpl_lab.search.protocol import Task
from wpl_lab.search.search_names import TaskName
from wpl_lab.search.spaces.image_task import ImageTask
from wpl_lab.search.spaces.text_task import TextTask


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
    if name == "text":
        return TextTask(load_text(data)[0], device=device, **model)
    return ImageTask(load_images(data), device=device, **model)
