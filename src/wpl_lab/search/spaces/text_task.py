"""Language modelling with a cell of the recurrent space."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wpl.fisher.scores import Estimand, Scores
from wpl.kinds import Kind
from wpl.perplexity import perplexity
from wpl_lab.data.data_needs import check_text
from wpl_lab.data.parts import Part as DataPart
from wpl_lab.data.text import Text, load_text
from wpl_lab.search.protocol import Part, Score, Tensors
from wpl_lab.search.spaces.dropping import Dropping
from wpl_lab.search.spaces.recurrent import RecurrentGenotype, RecurrentSpace
from wpl_lab.search.spaces.recurrent_model import RecurrentModels, initial_weights, used_weights
from wpl_lab.seeding import generator

_SCORED = 16
"""Number of children scored at once, chosen so that their hidden states fit into the cache."""


class RecurrentChildren:
    """Language models with cells side by side.

    Attributes:
        state: Hidden state ``(child, hidden, batch)`` from which the next training batch continues.
    """

    def __init__(
        self,
        task: "TextTask",
        weights: Mapping[str, Tensor],
        children: Sequence[tuple[int, RecurrentGenotype]],
    ) -> None:
        """Start from a hidden state of zero.

        Args:
            task: The task.
            weights: By name, ``(run, ...)``. Later changes of them take effect.
            children: The run and the cell of each.
        """
        self._task, self._weights, self._children = task, weights, children
        self._models = RecurrentModels(weights, children)
        self.state: Tensor | None = None

    def gradients(
        self, inputs: Tensor, targets: Tensor, randoms: Sequence[torch.Generator]
    ) -> tuple[Tensor, Tensors]:
        """Differentiate the mean cross-entropy of a window; the next starts from its last state.

        Returns:
            As in ``Children.gradients``.
        """
        runs = self._models.runs
        dropped = self._task.dropping.draw(
            [randoms[run] for run in runs],
            nodes=self._task.space.nodes,
            hidden=self._weights["embedding"].shape[2],
            batch=inputs.shape[1],
        )
        read = self._models.read(self._models.of_children(inputs), self.state, dropped)
        self.state = read.trace.states[-1]
        labels = self._models.of_children(targets).transpose(1, 2).flatten(1)
        correct = read.outputs.new_empty(labels.shape)  # probabilities (child, time · batch)
        siblings = [runs.count(run) for run in runs]

        def error_of(child: int) -> Tensor:
            label = labels[child, :, None]
            p = torch.softmax(self._models.logits(read, child), 1)
            picked = p.gather(1, label)
            correct[child] = picked[:, 0]
            p.scatter_(1, label, picked.sub_(1))
            return p.mul_(1 / (len(p) * siblings[child]))

        gradients = self._models.gradients(read, error_of)
        # Below the smallest number a probability is 0, and its logarithm is not finite.
        return -correct.clamp(min=torch.finfo(correct.dtype).tiny).log().mean(1), gradients

    def fisher(
        self, inputs: Tensor, targets: Tensor, *, kind: Kind, randoms: Sequence[torch.Generator]
    ) -> Tensors:
        """Estimate the Fisher information; a row of a window is a sample.

        Returns:
            As in ``Children.fisher``.
        """
        runs = self._models.runs
        read = self._models.read(self._models.of_children(inputs))
        batch = inputs.shape[1]
        scores = [
            Scores(
                Estimand(kind, class_dim=-1),
                self._models.logits(read, child).unflatten(0, (-1, batch)).transpose(0, 1),
                targets[run],
                generator=randoms[run],
                scale=batch**-0.5,
            )
            for child, run in enumerate(runs)
        ]
        total: Tensors = {}
        for errors in zip(*scores, strict=True):
            for name, squares in self._models.squares(read, errors).items():
                total[name] = total[name] + squares if name in total else squares
        return total

    def rewards(self, inputs: Tensor, targets: Tensor) -> list[float]:
        """Compute c/perplexity of each child on its window; as in ``Children.rewards``.

        Returns:
            One reward per child.
        """
        read = self._models.read(self._models.of_children(inputs), keep=False)
        labels = self._models.of_children(targets).transpose(1, 2).flatten(1)
        nats = [
            self._models.cross_entropy(read, child, own).item() / len(own)
            for child, own in enumerate(labels)
        ]
        # exp(n) may overflow; the reward is then 0.
        return [0.0 if math.isnan(n) else self._task.reward_scale * math.exp(-n) for n in nats]

    def scores(self, part: Part) -> list[Score]:
        """Score each child on a part, carrying the hidden state on: nats per word, and perplexity.

        Returns:
            One score per child.
        """
        found: list[Score] = []
        for at in range(0, len(self._children), _SCORED):
            some = RecurrentModels(self._weights, self._children[at : at + _SCORED])
            total = self._task.read(some, part)
            nats = (total / self._task.predictions(part)).tolist()
            found += [Score(n, perplexity(n)) for n in nats]
        return found


class TextTask:
    """A text in rows that are read side by side, one window of time steps after the other."""

    def __init__(
        self,
        text: Text,
        *,
        nodes: int,
        hidden: int,
        batch_size: int,
        steps: int,
        score_rows: int,
        reward_scale: float,
        dropout: float,
        weight_drop: float,
        drop_path: float,
        device: torch.device | str = "cpu",
    ) -> None:
        """Arrange the text in rows.

        Args:
            text: The data.
            nodes: Nodes of a cell after node 0.
            hidden: Units of the hidden state, and of the embedding.
            batch_size: Rows of a training batch, and of a batch of ``reward``.
            steps: Time steps of a window, and of back-propagation through time.
            score_rows: Rows into which a part is split to score all of it.
            reward_scale: c of the reward c/perplexity.
            dropout: As in ``Dropping``.
            weight_drop: As in ``Dropping``.
            drop_path: As in ``Dropping``.
            device: Where the model and the text are kept.

        Raises:
            DataError: If a part of the text is too short; names the keys.
        """
        self.space = RecurrentSpace(nodes)
        self.device = torch.device(device)
        self.guessing = math.log(len(text.words))
        self.reward_scale = reward_scale
        self.dropping = Dropping(dropout=dropout, weight_drop=weight_drop, drop_path=drop_path)
        self._steps, self._words, self._hidden = steps, len(text.words), hidden
        sizes: dict[DataPart, int] = {
            "train": len(text.train),
            "valid": len(text.valid),
            "test": len(text.test),
        }
        check_text(sizes, batch_size=batch_size, steps=steps, score_rows=score_rows)
        middle = len(text.valid) // 2
        parts = {
            "train": (text.train, batch_size),
            "reward": (text.valid[:middle], batch_size),
            "select": (text.valid[middle:], score_rows),
            "test": (text.test, score_rows),
        }
        self._rows = {part: _rows(t, rows).to(device) for part, (t, rows) in parts.items()}

    def weights(self, seed: int) -> Tensors:
        """Draw the initial weights of a run; as in ``Task.weights``."""
        random = generator(seed, "text_task", "init")
        made = initial_weights(
            self._words, nodes=self.space.nodes, hidden=self._hidden, generator=random
        )
        return {name: weight.to(self.device) for name, weight in made.items()}

    def used(self, genotype: RecurrentGenotype) -> list[str]:
        """List the names of the shared weights that a cell uses."""
        return used_weights(genotype)

    def children(
        self, weights: Mapping[str, Tensor], children: Sequence[tuple[int, RecurrentGenotype]]
    ) -> RecurrentChildren:
        """Make the language models of cells; as in ``Task.children``.

        Returns:
            The language models.
        """
        return RecurrentChildren(self, weights, children)

    def batches(self, start: int, seeds: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the windows of the training text in order, without end; as in ``Task.batches``.

        Yields:
            Tokens and the next ones, both ``(run, batch, time)``, the same for all runs.
        """
        rows = self._rows["train"]
        windows = (rows.shape[1] - 1) // self._steps
        for number in itertools.count(start):
            inputs, targets = _window(rows, number % windows * self._steps, self._steps)
            yield inputs.expand(len(seeds), -1, -1), targets.expand(len(seeds), -1, -1)

    def sample(self, randoms: Sequence[torch.Generator]) -> tuple[Tensor, Tensor]:
        """Draw a window of the part ``reward`` for each run; as in ``Task.sample``."""
        rows = self._rows["reward"]
        last = rows.shape[1] - self._steps
        starts = [int(torch.randint(last, (), generator=random)) for random in randoms]
        drawn = [_window(rows, start, self._steps) for start in starts]
        inputs, targets = zip(*drawn, strict=True)
        return torch.stack(inputs), torch.stack(targets)

    @torch.no_grad()
    def read(self, models: RecurrentModels, part: Part) -> Tensor:
        """Sum the cross-entropy over all of a part.

        Args:
            models: The language models.
            part: The part.

        Returns:
            The sums ``(child)``, in nats.
        """
        rows = self._rows[part]
        state = None
        total = torch.zeros(len(models.runs), dtype=torch.float64, device=self.device)
        for start in range(0, rows.shape[1] - 1, 4 * self._steps):
            inputs, targets = _window(rows, start, 4 * self._steps)
            read = models.read(inputs.expand(len(models.runs), -1, -1), state, keep=False)
            state = read.trace.states[-1]
            labels = targets.t().flatten()
            for child in range(len(models.runs)):
                total[child] += models.cross_entropy(read, child, labels)
        return total

    def predictions(self, part: Part) -> int:
        """Count the predicted words of a part."""
        rows = self._rows[part]
        return rows.shape[0] * (rows.shape[1] - 1)


def make_task(data: Path | str, *, device: torch.device | str, **model: Any) -> TextTask:
    """Make the task from a data file.

    Args:
        data: File of the text.
        device: Where weights and batches are.
        **model: The other arguments of ``TextTask``.

    Returns:
        The task.

    Raises:
        ArtifactError: If the file is missing, damaged or of another kind.
    """
    return TextTask(load_text(data)[0], device=device, **model)


def _rows(tokens: Tensor, count: int) -> Tensor:
    """Split a text into rows of one length, ``(batch, time)``; the rest is dropped."""
    return tokens[: len(tokens) // count * count].view(count, -1)


def _window(rows: Tensor, start: int, steps: int) -> tuple[Tensor, Tensor]:
    end = min(start + steps, rows.shape[1] - 1)
    return rows[:, start:end], rows[:, start + 1 : end + 1]
