"""Classification of images with cells of the convolutional space."""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wpl_lab.data.images import Images, load_images
from wpl_lab.data.parts import Part as ImagePart
from wpl_lab.search.protocol import Part, Score
from wpl_lab.search.spaces.convolutional import ConvolutionalGenotype, ConvolutionalSpace, Operation
from wpl_lab.search.spaces.convolutional_model import ConvolutionalModel
from wpl_lab.search.spaces.convolutional_pass import Statistics
from wpl_lab.seeding import generator


class ConvolutionalChild(nn.Module):
    """One architecture of the shared model.

    Attributes:
        shared: The model that holds the weights.
        genotype: The architecture.
        statistics: Of its activations, with which it predicts.
    """

    def __init__(
        self, shared: ConvolutionalModel, genotype: ConvolutionalGenotype, statistics: Statistics
    ) -> None:
        """Keep them."""
        super().__init__()
        self.shared, self.genotype, self.statistics = shared, genotype, statistics

    def forward(self, images: Tensor) -> Tensor:
        """Classify images ``(batch, class)``, each on its own."""
        logits: Tensor = self.shared(images, self.genotype, self.statistics)
        return logits


class ImageTask:
    """Labelled images, standardised by the training part."""

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
        seed: int,
        device: torch.device | str = "cpu",
    ) -> None:
        """Draw the initial weights, and cut the validation images in two.

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
            seed: Root seed of the run, from which the initial weights are drawn.
            device: Where the model and the batches are.

        Raises:
            ValueError: If there are fewer images than a batch takes, or the images are too small
                for the stages.
        """
        channels, *size = images.pixels["train"].shape[1:]
        if min(size) < 2 ** (stages - 1):
            raise ValueError(f"images of {size[0]}×{size[1]} are too small for {stages} stages")
        self.space = ConvolutionalSpace(nodes, alike=alike, operations=operations)
        self.model = ConvolutionalModel(
            channels,
            images.classes,
            nodes=nodes,
            width=width,
            stages=stages,
            stacked=stacked,
            repeats=repeats,
            operations=operations,
            dropout=dropout,
            drop_path=drop_path,
            generator=generator(seed, "image_task", "init"),
        ).to(device)
        self.guessing = math.log(images.classes)
        self._images, self._device, self._seed = images, device, seed
        self._batch_size, self._shift, self._flip = batch_size, shift, flip
        # Validation images are in the order of the source, which may be that of the classes.
        count = len(images.labels["valid"])
        order = torch.randperm(count, generator=generator(0, "image_task", "halves"))
        self._halves = {"reward": order[: count // 2], "select": order[count // 2 :]}
        for part, found in (("train", len(images.labels["train"])), ("reward", count // 2)):
            if found < batch_size:
                raise ValueError(f"{part}: {found} images are too few for batches of {batch_size}")
        random = generator(0, "image_task", "measured")
        chosen = torch.randperm(len(images.labels["train"]), generator=random)[:measured]
        self._measured = self._batch("train", chosen)[0]

    def child(self, genotype: ConvolutionalGenotype) -> ConvolutionalChild:
        """Make the classifier of one architecture, its statistics those of the weights now."""
        self.model.eval()
        return ConvolutionalChild(
            self.model, genotype, self.model.measure(self._measured, genotype)
        )

    def used(self, genotype: ConvolutionalGenotype) -> list[str]:
        """Name the shared weights that an architecture uses."""
        return self.model.used(genotype)

    def batches(self, start: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield batches of the shuffled training images, in a new order each time around.

        Yields:
            Images ``(batch, channel, height, width)`` and labels ``(batch)``.
        """
        count = len(self._images.labels["train"])
        around, order = -1, torch.empty(0)
        while True:
            if around != (around := start // (count // self._batch_size)):
                random = generator(seed, "image_task", "order", str(around))
                order = torch.randperm(count, generator=random)
            first = start % (count // self._batch_size) * self._batch_size
            inputs, labels = self._batch("train", order[first : first + self._batch_size])
            yield self._altered(inputs, generator(seed, "image_task", "alter", str(start))), labels
            start += 1

    def loss(
        self,
        child: ConvolutionalChild,
        inputs: Tensor,
        targets: Tensor,
        random: torch.Generator,
    ) -> Tensor:
        """Compute the mean cross-entropy of a batch, normalised by its own statistics."""
        self.model.train()
        return F.cross_entropy(self.model(inputs, child.genotype, generator=random), targets)

    def sample(self, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw a batch of the part ``reward``."""
        half = self._halves["reward"]
        return self._batch(
            "valid", half[torch.randperm(len(half), generator=random)[: self._batch_size]]
        )

    @torch.no_grad()
    def reward(self, child: ConvolutionalChild, inputs: Tensor, targets: Tensor) -> float:
        """Compute the accuracy on a batch."""
        self.model.eval()
        return float((child(inputs).argmax(1) == targets).double().mean())

    @torch.no_grad()
    def score(self, child: ConvolutionalChild, part: Part) -> Score:
        """Classify a whole part: nats per image, and the percentage of wrong ones."""
        self.model.eval()
        nats, wrong = (torch.zeros((), dtype=torch.float64, device=self._device) for _ in range(2))
        for chosen in self._all(part).split(4 * self._batch_size):
            inputs, targets = self._batch("test" if part == "test" else "valid", chosen)
            logits = child(inputs)
            nats += F.cross_entropy(logits, targets, reduction="sum")
            wrong += (logits.argmax(1) != targets).sum()
        count = self.predictions(part)
        return Score(float(nats) / count, 100 * float(wrong) / count)

    def predictions(self, part: Part) -> int:
        """Count the images of a part."""
        return len(self._all(part))

    def _all(self, part: Part) -> Tensor:
        if part == "test":
            return torch.arange(len(self._images.labels["test"]))
        return self._halves[part]

    def _batch(self, part: ImagePart, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Read images of a part, and standardise them."""
        mean, deviation = (s[:, None, None].to(self._device) for s in self._images.scale)
        pixels = self._images.pixels[part][chosen].to(self._device).float()
        return (pixels - mean) / deviation, self._images.labels[part][chosen].to(self._device)

    def _altered(self, images: Tensor, random: torch.Generator) -> Tensor:
        """Shift images, all of a batch alike, and mirror every other one."""
        if self._shift:
            down, right = torch.randint(2 * self._shift + 1, (2,), generator=random).tolist()
            height, width = images.shape[2:]
            padded = F.pad(images, [self._shift] * 4)
            images = padded[:, :, down : down + height, right : right + width]
        if self._flip:
            mirrored = torch.rand(len(images), generator=random) < 0.5
            where = mirrored.to(images.device)[:, None, None, None]
            images = torch.where(where, images.flip(3), images)
        return images


def tasks(file: Path | str, **settings: Any) -> Callable[[int], ImageTask]:
    """Read images once; return a function that makes the task, with fresh weights, of a seed."""
    images = load_images(file)
    return lambda seed: ImageTask(images, seed=seed, **settings)
