"""Classification of images with cells of the convolutional space."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from wpl_lab.data.data_needs import check_images
from wpl_lab.data.images import Images, load_images
from wpl_lab.search.spaces.classification import Classification
from wpl_lab.search.spaces.convolutional import Operation
from wpl_lab.search.spaces.convolutional_model import ConvolutionalNetwork, layout


class ImageTask(Classification):
    """Labelled images, and networks of convolutional cells."""

    def __init__(
        self,
        images: Images,
        *,
        nodes: int,
        alike: bool,
        operations: Sequence[Operation],
        width: int,
        stages: int,
        stacked: int,
        repeats: int,
        batch_size: int,
        measured: int,
        shift: int,
        flip: bool,
        dropout: float,
        drop_path: float,
        device: torch.device | str = "cpu",
    ) -> None:
        """Lay out the network.

        Args:
            images: The data.
            nodes: As in ``ConvolutionalSpace``, like ``alike`` and ``operations``.
            alike: See there.
            operations: See there.
            width: As in ``ConvolutionalModel``, like ``stages``, ``stacked``, ``repeats``,
                ``dropout`` and ``drop_path``.
            stages: See there.
            stacked: See there.
            repeats: See there.
            batch_size: Images of a training batch, and of one of ``reward``.
            measured: Training images on which the statistics of a child are measured.
            shift: Training images are shifted by up to so many pixels, at random.
            flip: Whether every other training image is mirrored, at random.
            dropout: See there.
            drop_path: See there.
            device: Where the model and the batches are.

        Raises:
            DataError: If there are too few images, or they are too small; names the key.
        """
        sizes = {part: len(labels) for part, labels in images.labels.items()}
        channels, rows, columns = images.pixels["train"].shape[1:]
        check_images(sizes, (channels, rows, columns), batch_size=batch_size, stages=stages)
        made = layout(
            stages=stages, stacked=stacked, repeats=repeats, dropout=dropout, drop_path=drop_path
        )
        network = ConvolutionalNetwork(
            made, nodes=nodes, alike=alike, operations=operations, width=width
        )
        super().__init__(
            images,
            network,
            batch_size=batch_size,
            measured=measured,
            shift=shift,
            flip=flip,
            device=device,
        )


def make_task(data: Path | str, *, device: torch.device | str, **model: Any) -> ImageTask:
    """Read the data and lay it out.

    Args:
        data: File of the images.
        device: Where weights and batches are.
        model: What else the task is made of, as in ``ImageTask``.

    Returns:
        The task.

    Raises:
        ArtifactError: If the file is missing, damaged or of another kind.
    """
    return ImageTask(load_images(data), device=device, **model)
