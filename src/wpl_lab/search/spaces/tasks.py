"""The tasks that architectures are searched for."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from wpl_lab.data.images import load_images
from wpl_lab.data.text import load_text
from wpl_lab.search.protocol import Task
from wpl_lab.search.search_names import TaskName
from wpl_lab.search.spaces.image_task import ImageTask
from wpl_lab.search.spaces.text_task import TextTask


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
    if name == "text":
        text, _ = load_text(data)
        return lambda seed: TextTask(text, seed=seed, device=device, **model)
    images = load_images(data)
    return lambda seed: ImageTask(images, seed=seed, device=device, **model)
