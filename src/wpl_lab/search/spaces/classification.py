"""The task of classifying images with a network whose architectures share their weights."""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wpl.fisher.estimate import diagonal_fisher
from wpl.kinds import Kind
from wpl_lab.data.data_needs import check_images
from wpl_lab.data.images import Images
from wpl_lab.data.parts import Part as ImagePart
from wpl_lab.search.protocol import Genotype, Part, Score, Tensors
from wpl_lab.search.spaces.network import Network, Weights, side_by_side
from wpl_lab.search.spaces.normalisation import Norm, Statistics
from wpl_lab.seeding import generator


class Classifier(nn.Module):
    """One architecture with the weights of one run, as a module for ``diagonal_fisher``.

    The names of its parameters are those of the weights, with "/" in place of ".".
    """

    def __init__(
        self,
        network: Network,
        weights: Mapping[str, Tensor],
        genotype: Genotype,
        statistics: Statistics,
    ) -> None:
        """Register the weights as parameters.

        Args:
            network: The network.
            weights: The weights that the architecture uses, by name, in the shapes of one run.
            genotype: The architecture.
            statistics: Mean and variance ``(channel)`` for each normalisation.
        """
        super().__init__()
        self._network, self._genotype, self._statistics = network, genotype, statistics
        for name, weight in weights.items():
            self.register_parameter(name.replace(".", "/"), nn.Parameter(weight))

    def forward(self, images: Tensor) -> Tensor:
        """Compute logits; the result for an image does not depend on the others.

        Args:
            images: ``(batch, channel, height, width)``.

        Returns:
            Logits ``(batch, class)``.
        """
        own = {name.replace("/", "."): p for name, p in self.named_parameters()}
        weights = Weights(own, [own["classifier"]], [own["bias"]])
        (logits,) = self._network.logits(weights, images, self._genotype, Norm(self._statistics))
        return logits


class Classifiers:
    """Classifiers side by side; those of one architecture share a forward pass."""

    def __init__(
        self,
        task: "Classification",
        weights: Mapping[str, Tensor],
        children: Sequence[tuple[int, Genotype]],
    ) -> None:
        """Group the children by architecture.

        Args:
            task: The task.
            weights: By name, ``(run, ...)``. Later changes of them take effect.
            children: The run and the architecture of each.
        """
        self._task, self._weights = task, weights
        self._runs = [run for run, _ in children]
        self._groups: dict[Genotype, list[int]] = {}
        for child, (_, genotype) in enumerate(children):
            self._groups.setdefault(genotype, []).append(child)

    def gradients(
        self, inputs: Tensor, targets: Tensor, randoms: Sequence[torch.Generator]
    ) -> tuple[Tensor, Tensors]:
        """Differentiate the mean cross-entropy, with batch normalisation by the batch's statistics.

        Returns:
            As in ``Children.gradients``.
        """
        losses = targets.new_empty(len(self._runs), dtype=inputs.dtype)
        total: Tensors = {}
        for genotype, children in self._groups.items():
            runs = [self._runs[child] for child in children]
            leaves = {n: w.requires_grad_() for n, w in self._of(genotype, runs).items()}
            logits = self._task.network.logits(
                side_by_side(leaves),
                self._beside(inputs[runs]),
                genotype,
                Norm(),
                [randoms[run] for run in runs],
            )
            found = torch.stack(
                [F.cross_entropy(own, targets[run]) for own, run in zip(logits, runs, strict=True)]
            )
            losses[children] = found.detach()
            shares = torch.tensor([1 / self._runs.count(run) for run in runs]).to(found)
            gradients = torch.autograd.grad((found * shares).sum(), list(leaves.values()))
            at = torch.tensor(runs, device=found.device)
            for name, gradient in zip(leaves, gradients, strict=True):
                if name not in total:
                    total[name] = torch.zeros_like(self._weights[name])
                total[name].index_add_(0, at, gradient)
        return losses, total

    def fisher(
        self, inputs: Tensor, targets: Tensor, *, kind: Kind, randoms: Sequence[torch.Generator]
    ) -> Tensors:
        """Estimate the Fisher information of one child after the other; an image is a sample.

        Returns:
            As in ``Children.fisher``.
        """
        total: Tensors = {}
        for genotype, children in self._groups.items():
            for run in (self._runs[child] for child in children):
                weights = self._of(genotype, [run])
                statistics = self._measured(genotype, weights)
                own = {name: weight[0] for name, weight in weights.items()}
                child = Classifier(self._task.network, own, genotype, statistics)
                fisher = diagonal_fisher(
                    child, [(inputs[run], targets[run])], kind=kind, generator=randoms[run]
                )
                for name, weight in own.items():
                    if name not in total:
                        total[name] = torch.zeros_like(self._weights[name])
                    total[name][run] = fisher[name.replace(".", "/")].view_as(weight)
        return total

    @torch.no_grad()
    def rewards(self, inputs: Tensor, targets: Tensor) -> list[float]:
        """Compute the accuracy of each child on its batch; as in ``Children.rewards``.

        Returns:
            One accuracy per child.
        """
        found = dict[int, float]()
        for genotype, children in self._groups.items():
            runs = [self._runs[child] for child in children]
            weights = self._of(genotype, runs)
            predict = self._predictor(genotype, weights)
            for child, run, logits in zip(children, runs, predict(inputs[runs]), strict=True):
                found[child] = float((logits.argmax(1) == targets[run]).double().mean())
        return [found[child] for child in range(len(self._runs))]

    @torch.no_grad()
    def scores(self, part: Part) -> list[Score]:
        """Score each child on a part: nats per image, and the percentage of errors.

        Returns:
            One score per child.
        """
        count = self._task.predictions(part)
        total = torch.zeros(len(self._runs), 2, dtype=torch.float64, device=self._task.device)
        for genotype, children in self._groups.items():
            runs = [self._runs[child] for child in children]
            predict = self._predictor(genotype, self._of(genotype, runs))
            for inputs, targets in self._task.part(part):
                each = predict(inputs.expand(len(runs), *inputs.shape))
                for child, logits in zip(children, each, strict=True):
                    total[child, 0] += F.cross_entropy(logits, targets, reduction="sum")
                    total[child, 1] += (logits.argmax(1) != targets).sum()
        return [Score(nats / count, 100 * wrong / count) for nats, wrong in total.tolist()]

    def _beside(self, images: Tensor) -> Tensor:
        """(run, batch, channel, height, width) → (batch, run · channel, height, width)."""
        laid = images.transpose(0, 1).flatten(1, 2)
        return laid.contiguous(memory_format=self._task.memory_format)

    def _of(self, genotype: Genotype, runs: Sequence[int]) -> Tensors:
        """Copy the weights of some runs that an architecture uses."""
        return {name: self._weights[name][runs] for name in self._task.used(genotype)}

    def _measured(self, genotype: Genotype, weights: Tensors) -> Statistics:
        """Measure the statistics for batch normalisation with the current weights."""
        runs = len(weights["bias"])
        norm = Norm(keep=True)
        images = self._task.measured
        with torch.no_grad():
            self._task.network.logits(
                side_by_side(weights),
                self._beside(images.expand(runs, *images.shape)),
                genotype,
                norm,
            )
        return norm.kept

    def _predictor(self, genotype: Genotype, weights: Tensors) -> Callable[[Tensor], list[Tensor]]:
        """Make a function from images ``(run, batch, ...)`` to the logits of each run."""
        statistics, laid = self._measured(genotype, weights), side_by_side(weights)

        def predict(images: Tensor) -> list[Tensor]:
            norm = Norm(statistics)
            return self._task.network.logits(laid, self._beside(images), genotype, norm)

        return predict


class Classification:
    """Labelled images, standardised by the training part."""

    def __init__(
        self,
        images: Images,
        network: Network,
        *,
        section: str,
        stages: int,
        batch_size: int,
        measured: int,
        shift: int,
        flip: bool,
        memory_format: torch.memory_format = torch.contiguous_format,
        device: torch.device | str = "cpu",
    ) -> None:
        """Split the validation images into two halves.

        Args:
            images: The data.
            network: The network that classifies them.
            section: The section of params.yaml that errors name.
            stages: Stages of the network, each but the first at half the resolution.
            batch_size: Images of a training batch, and of a batch of ``reward``.
            measured: Number of training images for the statistics of batch normalisation.
            shift: Largest random shift of training images, in pixels.
            flip: Whether training images are mirrored with probability 1/2.
            memory_format: The memory layout of images that are classified side by side.
            device: Where the model and the batches are.

        Raises:
            DataError: If there are too few images, or they are too small; names the key.
        """
        channels, height, width = images.pixels["train"].shape[1:]
        check_images(
            images.sizes,
            (channels, height, width),
            batch_size=batch_size,
            stages=stages,
            section=section,
        )
        self.network, self.space = network, network.space
        self.memory_format = memory_format
        self.device = torch.device(device)
        self.guessing = math.log(images.classes)
        self._images = images
        self._batch_size, self._shift, self._flip = batch_size, shift, flip
        # Shuffled, as the validation images of a source may be in the order of their classes.
        count = len(images.labels["valid"])
        order = torch.randperm(count, generator=generator(0, "image_task", "halves"))
        self._halves = {"reward": order[: count // 2], "select": order[count // 2 :]}
        random = generator(0, "image_task", "measured")
        chosen = torch.randperm(len(images.labels["train"]), generator=random)[:measured]
        self.measured = self._batch("train", chosen)[0]

    def weights(self, seed: int) -> Tensors:
        """Draw the initial weights of a run; as in ``Task.weights``."""
        made = self.network.initial_weights(
            self._images.pixels["train"].shape[1],
            self._images.classes,
            generator=generator(seed, "image_task", "init"),
        )
        return {name: weight.to(self.device) for name, weight in made.items()}

    def used(self, genotype: Genotype) -> list[str]:
        """List the shared weights that an architecture uses."""
        return self.network.used(genotype)

    def children(
        self, weights: Mapping[str, Tensor], children: Sequence[tuple[int, Genotype]]
    ) -> Classifiers:
        """Make the classifiers of architectures; as in ``Task.children``.

        Returns:
            The classifiers.
        """
        return Classifiers(self, weights, children)

    def batches(self, start: int, seeds: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield training batches, shuffled again in each epoch; as in ``Task.batches``.

        Yields:
            Images ``(run, batch, channel, height, width)`` and labels ``(run, batch)``.
        """
        each = [self._stream(start, seed) for seed in seeds]
        while True:
            inputs, labels = zip(*map(next, each), strict=True)
            yield torch.stack(inputs), torch.stack(labels)

    def sample(self, randoms: Sequence[torch.Generator]) -> tuple[Tensor, Tensor]:
        """Draw a batch of the part ``reward`` for each run; as in ``Task.sample``."""
        half = self._halves["reward"]
        drawn = [
            half[torch.randperm(len(half), generator=random)[: self._batch_size]]
            for random in randoms
        ]
        inputs, labels = zip(*(self._batch("valid", chosen) for chosen in drawn), strict=True)
        return torch.stack(inputs), torch.stack(labels)

    def part(self, part: Part) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield all images of a part in batches.

        Yields:
            Images ``(batch, channel, height, width)`` and labels ``(batch)``.
        """
        for chosen in self._all(part).split(4 * self._batch_size):
            yield self._batch("test" if part == "test" else "valid", chosen)

    def predictions(self, part: Part) -> int:
        """Count the images of a part."""
        return len(self._all(part))

    def _all(self, part: Part) -> Tensor:
        if part == "test":
            return torch.arange(len(self._images.labels["test"]))
        return self._halves[part]

    def _stream(self, start: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of one run."""
        count = len(self._images.labels["train"])
        around, order = -1, torch.empty(0)
        for number in itertools.count(start):
            if around != (around := number // (count // self._batch_size)):
                random = generator(seed, "image_task", "order", str(around))
                order = torch.randperm(count, generator=random)
            first = number % (count // self._batch_size) * self._batch_size
            inputs, labels = self._batch("train", order[first : first + self._batch_size])
            random = generator(seed, "image_task", "alter", str(number))
            yield self._altered(inputs, random), labels

    def _batch(self, part: ImagePart, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Read images of a part, and standardise them."""
        mean, deviation = (s[:, None, None].to(self.device) for s in self._images.scale)
        pixels = self._images.pixels[part][chosen].to(self.device).float()
        return (pixels - mean) / deviation, self._images.labels[part][chosen].to(self.device)

    def _altered(self, images: Tensor, random: torch.Generator) -> Tensor:
        """Shift all images of a batch by the same random offset, and mirror some at random."""
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
