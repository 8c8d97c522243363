"""The device for tensors and computations."""

from typing import Literal

import torch

DeviceName = Literal["auto", "cpu", "cuda"]


def device(name: DeviceName) -> torch.device:
    """Choose a device; ``"auto"`` is a GPU if there is one.

    Returns:
        The device.

    Raises:
        ValueError: If ``"cuda"`` is asked for and there is none.
    """
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise ValueError("device is cuda, but torch finds no GPU; choose auto or cpu")
    return torch.device("cuda" if there and name != "cpu" else "cpu")
