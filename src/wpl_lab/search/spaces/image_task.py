"""Image classification with cells of the convolutional space."""

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
            nodes: As in ``ConvolutionalSpace``.
            alike: As in ``ConvolutionalSpace``.
            operations: As in ``ConvolutionalSpace``.
            width: As in ``convolutional_model.initial_weights``.
            stages: As in ``convolutional_model.layout``.
            stacked: As in ``convolutional_model.layout``.
            repeats: As in ``Layout``.
            batch_size: Images of a training batch, and of a batch of ``reward``.
            measured: Number of training images for the statistics of batch normalisation.
            shift: Largest random shift of training images, in pixels.
            flip: Whether training images are mirrored with probability 1/2.
            dropout: As in ``Layout``.
            drop_path: As in ``Layout``.
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
    """Make the task from a data file.

    Args:
        data: File of the images.
        device: Where weights and batches are.
        **model: The other arguments of ``ImageTask``.

    Returns:
        The task.

    Raises:
        ArtifactError: If the file is missing, damaged or of another kind.
    """
    return ImageTask(load_images(data), device=device, **model)
