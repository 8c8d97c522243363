"""Classification of images with the cells of NAS-Bench-201."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from wpl_lab.data.data_needs import check_images
from wpl_lab.data.images import Images, load_images
from wpl_lab.search.spaces.classification import Classification
from wpl_lab.search.spaces.nasbench201 import Nasbench201Space, Operation
from wpl_lab.search.spaces.nasbench201_network import Layout, Nasbench201Network


class Nasbench201Task(Classification):
    """The task: labelled images, and networks of the cells of NAS-Bench-201."""

    memory_format = torch.channels_last

    def __init__(
        self,
        images: Images,
        *,
        operations: Sequence[Operation],
        width: int,
        stages: int,
        stacked: int,
        batch_size: int,
        measured: int,
        shift: int,
        flip: bool,
        dropout: float,
        drop_path: float,
        device: torch.device | str = "cpu",
    ) -> None:
        """Make the network.

        Args:
            images: The data.
            operations: As in ``Nasbench201Space``.
            width: As in ``Layout``, like ``stages``, ``stacked``, ``dropout`` and ``drop_path``.
            stages: See there.
            stacked: See there.
            batch_size: As in ``Classification``, like ``measured``, ``shift``, ``flip`` and
                ``device``.
            measured: See there.
            shift: See there.
            flip: See there.
            dropout: See ``width``.
            drop_path: See ``width``.
            device: See ``batch_size``.

        Raises:
            DataError: If there are too few images, or they are too small; names the key.
        """
        sizes = {part: len(labels) for part, labels in images.labels.items()}
        channels, rows, columns = images.pixels["train"].shape[1:]
        check_images(
            sizes,
            (channels, rows, columns),
            batch_size=batch_size,
            stages=stages,
            model="search.nasbench201.model",
        )
        layout = Layout(
            width=width, stages=stages, stacked=stacked, dropout=dropout, drop_path=drop_path
        )
        super().__init__(
            images,
            Nasbench201Network(layout, Nasbench201Space(operations)),
            batch_size=batch_size,
            measured=measured,
            shift=shift,
            flip=flip,
            device=device,
        )


def make_task(data: Path | str, *, device: torch.device | str, **model: Any) -> Nasbench201Task:
    """Read the data and make the task.

    Args:
        data: File of the images.
        device: The device of weights and batches.
        model: The other arguments of ``Nasbench201Task``.

    Returns:
        The task.

    Raises:
        ArtifactError: If the file is missing, damaged or of another kind.
    """
    return Nasbench201Task(load_images(data), device=device, **model)
