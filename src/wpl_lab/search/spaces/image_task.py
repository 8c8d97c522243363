"""Image classification with cells of the convolutional space."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from wpl_lab.data.images import Images, load_images
from wpl_lab.search.spaces.classification import Classification
from wpl_lab.search.spaces.convolutional import Operation
from wpl_lab.search.spaces.convolutional_model import ConvolutionalNetwork, layout


def image_task(
    images: Images,
    *,
    nodes: int,
    alike: bool,
    operations: Sequence[Operation],
    width: int,
    stages: int,
    stacked: int,
    repeats: int,
    dropout: float,
    drop_path: float,
    **batches: Any,
) -> Classification:
    """Lay out networks of convolutional cells that classify images.

    Args:
        images: The data.
        nodes: As in ``ConvolutionalSpace``.
        alike: As in ``ConvolutionalSpace``.
        operations: As in ``ConvolutionalSpace``.
        width: As in ``convolutional_model.initial_weights``.
        stages: As in ``convolutional_model.layout``.
        stacked: As in ``convolutional_model.layout``.
        repeats: As in ``Layout``.
        dropout: As in ``Layout``.
        drop_path: As in ``Layout``.
        **batches: The other arguments of ``Classification``.

    Returns:
        The task.

    Raises:
        DataError: If there are too few images, or they are too small; names the key.
    """
    made = layout(
        stages=stages, stacked=stacked, repeats=repeats, dropout=dropout, drop_path=drop_path
    )
    network = ConvolutionalNetwork(
        made, nodes=nodes, alike=alike, operations=operations, width=width
    )
    return Classification(images, network, section="search.images.model", stages=stages, **batches)


def make_task(data: Path | str, *, device: torch.device | str, **model: Any) -> Classification:
    """Make the task from a data file.

    Args:
        data: File of the images.
        device: Where weights and batches are.
        **model: The other arguments of ``image_task``.

    Returns:
        The task.

    Raises:
        ArtifactError: If the file is missing, damaged or of another kind.
    """
    return image_task(load_images(data), device=device, **model)
