"""Image classification with the cells of NAS-Bench-201."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from wpl_lab.data.images import Images, load_images
from wpl_lab.search.spaces.classification import Classification
from wpl_lab.search.spaces.nasbench201 import Nasbench201Space, Operation
from wpl_lab.search.spaces.nasbench201_network import Layout, Nasbench201Network


def nasbench201_task(
    images: Images,
    *,
    operations: Sequence[Operation],
    width: int,
    stages: int,
    stacked: int,
    dropout: float,
    drop_path: float,
    **batches: Any,
) -> Classification:
    """Lay out networks of the cells of NAS-Bench-201 that classify images.

    Args:
        images: The data.
        operations: As in ``Nasbench201Space``.
        width: As in ``Layout``.
        stages: As in ``Layout``.
        stacked: As in ``Layout``.
        dropout: As in ``Layout``.
        drop_path: As in ``Layout``.
        **batches: The other arguments of ``Classification``.

    Returns:
        The task.

    Raises:
        DataError: If there are too few images, or they are too small; names the key.
    """
    layout = Layout(
        width=width, stages=stages, stacked=stacked, dropout=dropout, drop_path=drop_path
    )
    return Classification(
        images,
        Nasbench201Network(layout, Nasbench201Space(operations)),
        section="search.nasbench201.model",
        stages=stages,
        memory_format=torch.channels_last,
        **batches,
    )


def make_task(data: Path | str, *, device: torch.device | str, **model: Any) -> Classification:
    """Make the task from a data file.

    Args:
        data: File of the images.
        device: Where weights and batches are.
        **model: The other arguments of ``nasbench201_task``.

    Returns:
        The task.

    Raises:
        ArtifactError: If the file is missing, damaged or of another kind.
    """
    return nasbench201_task(load_images(data), device=device, **model)
