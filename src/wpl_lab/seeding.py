"""Random number generators: one root seed, and a separate stream for each purpose."""

import hashlib

import torch


def derive(seed: int, *purpose: str) -> int:
    """Derive the seed for a purpose from a root seed; the same on every machine."""
    text = "/".join((str(seed), *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1


def generator(seed: int, *purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    """Make the generator for a purpose.

    Args:
        seed: Root seed.
        *purpose: Names of the purpose; each makes a separate stream.
        device: Where the generator draws.

    Returns:
        The generator, at its start.
    """
    return torch.Generator(device).manual_seed(derive(seed, *purpose))


def batch_order(
    samples: int, *, batch_size: int, iterations: int, generator: torch.Generator
) -> torch.Tensor:
    """Shuffle the samples for each epoch and split them into batches of one size.

    Args:
        samples: Number of samples to draw from.
        batch_size: Samples of a batch; those left over at the end of an epoch are not used.
        iterations: Number of batches.
        generator: Source of the order.

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
