"""Random numbers as arguments: one root seed, and a stream of its own for each purpose."""

import hashlib

import torch


def derive(seed: int, *purpose: str) -> int:
    """Derive the seed of one purpose from a root seed: the same on every machine."""
    text = "/".join((str(seed), *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1


def generator(seed: int, *purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    """Make a generator for one purpose of a root seed, by default on the CPU."""
    return torch.Generator(device).manual_seed(derive(seed, *purpose))


def batch_order(
    samples: int, *, batch_size: int, iterations: int, generator: torch.Generator
) -> torch.Tensor:
    """Shuffle the samples anew for each epoch and cut them into batches of one size.

    Args:
        samples: Number of samples to draw from.
        batch_size: Rows of a batch; what is left over at the end of an epoch is not used.
        iterations: Number of batches.
        generator: Source of the shuffling.

    Returns:
        Indices ``(iteration, batch)``.

    Raises:
        ValueError: If there are fewer samples than one batch needs.
    """
    per_epoch = samples // batch_size
    if per_epoch == 0:
        raise ValueError(f"batch_size is {batch_size}, but there are only {samples} samples")
    epochs = -(-iterations // per_epoch)
    order = [
        torch.randperm(samples, generator=generator)[: per_epoch * batch_size]
        for _ in range(epochs)
    ]
    return torch.cat(order)[: iterations * batch_size].reshape(iterations, batch_size)
