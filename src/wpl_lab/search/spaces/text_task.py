"""Language modelling with a cell of the recurrent space."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wpl.perplexity import perplexity
from wpl_lab.data.text import Text, load_text
from wpl_lab.search.protocol import Part, Score
from wpl_lab.search.spaces.recurrent import RecurrentGenotype, RecurrentSpace
from wpl_lab.search.spaces.recurrent_model import RecurrentModel
from wpl_lab.seeding import generator


class RecurrentChild(nn.Module):
    """One cell of the shared model.

    Attributes:
        shared: The model that holds the weights.
        genotype: The cell.
        state: Hidden state ``(batch, hidden)`` that the next training batch goes on from.
    """

    def __init__(self, shared: RecurrentModel, genotype: RecurrentGenotype) -> None:
        """Start from a hidden state of zero."""
        super().__init__()
        self.shared, self.genotype = shared, genotype
        self.state: Tensor | None = None

    def forward(self, tokens: Tensor) -> Tensor:
        """Predict each next word ``(batch, time, word)``, each row on its own from a zero state."""
        logits: Tensor = self.shared(tokens, self.genotype)[0]
        return logits


class TextTask:
    """A text cut into rows that are read side by side, a window of time steps after the other."""

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
        seed: int,
        device: torch.device | str = "cpu",
    ) -> None:
        """Draw the initial weights, and lay out the text.

        Args:
            text: The data.
            nodes: As in ``RecurrentModel``, like ``hidden``, ``dropout``, ``weight_drop`` and
                ``drop_path``.
            hidden: See there.
            batch_size: Rows of a training batch, and of one of ``reward``.
            steps: Time steps of a window, through which gradients flow back.
            score_rows: Rows into which a part is cut that is scored as a whole.
            reward_scale: c of the reward c/perplexity.
            dropout: See there.
            weight_drop: See there.
            drop_path: See there.
            seed: Root seed of the run, from which the initial weights are drawn.
            device: Where the model and the text are kept.

        Raises:
            ValueError: If a part of the text is shorter than one window of all rows.
        """
        self.space = RecurrentSpace(nodes)
        self.model = RecurrentModel(
            len(text.words),
            nodes=nodes,
            hidden=hidden,
            dropout=dropout,
            weight_drop=weight_drop,
            drop_path=drop_path,
            generator=generator(seed, "text_task", "init"),
        ).to(device)
        self.guessing = math.log(len(text.words))
        self._steps, self._reward_scale = steps, reward_scale
        middle = len(text.valid) // 2
        parts = {
            "train": (text.train, batch_size, steps + 1),
            "reward": (text.valid[:middle], batch_size, steps + 1),
            "select": (text.valid[middle:], score_rows, 2),
            "test": (text.test, score_rows, 2),
        }
        for part, (tokens, rows, least) in parts.items():
            if len(tokens) < rows * least:
                raise ValueError(
                    f"{part}: {len(tokens)} words are too few for {rows} rows of {least}"
                )
        self._rows = {part: _rows(t, rows).to(device) for part, (t, rows, _) in parts.items()}

    def child(self, genotype: RecurrentGenotype) -> RecurrentChild:
        """Make the language model of one cell."""
        return RecurrentChild(self.model, genotype)

    def used(self, genotype: RecurrentGenotype) -> list[str]:
        """Name the shared weights that a cell uses."""
        return self.model.used(genotype)

    def batches(self, start: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:  # noqa: ARG002
        """Yield window after window of the training text, over and over; the order is the text's.

        Yields:
            Tokens and the next ones, both ``(batch, time)``.
        """
        rows = self._rows["train"]
        windows = (rows.shape[1] - 1) // self._steps
        while True:
            yield _window(rows, start % windows * self._steps, self._steps)
            start += 1

    def loss(
        self, child: RecurrentChild, inputs: Tensor, targets: Tensor, random: torch.Generator
    ) -> Tensor:
        """Compute the mean cross-entropy of a window; the next call goes on from its last state."""
        self.model.train()
        logits, state = self.model(inputs, child.genotype, child.state, generator=random)
        child.state = state.detach()
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())

    def sample(self, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw a window of the part ``reward``."""
        rows = self._rows["reward"]
        start = torch.randint(rows.shape[1] - self._steps, (), generator=random)
        return _window(rows, int(start), self._steps)

    @torch.no_grad()
    def reward(self, child: RecurrentChild, inputs: Tensor, targets: Tensor) -> float:
        """Compute c/perplexity of a window."""
        self.model.eval()
        logits = child(inputs)
        nats = F.cross_entropy(logits.flatten(0, 1), targets.flatten()).item()
        return self._reward_scale * math.exp(-nats)  # exp(nats) may overflow

    @torch.no_grad()
    def score(self, child: RecurrentChild, part: Part) -> Score:
        """Read a whole part, the hidden state carried on: nats per word, and perplexity."""
        self.model.eval()
        rows = self._rows[part]
        state, total = None, torch.zeros((), dtype=torch.float64, device=rows.device)
        for start in range(0, rows.shape[1] - 1, 4 * self._steps):
            inputs, targets = _window(rows, start, 4 * self._steps)
            logits, state = self.model(inputs, child.genotype, state)
            total += F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum")
        nats = float(total) / self.predictions(part)
        return Score(nats, perplexity(nats))

    def predictions(self, part: Part) -> int:
        """Count the words that are predicted in a whole part."""
        rows = self._rows[part]
        return rows.shape[0] * (rows.shape[1] - 1)


def _rows(tokens: Tensor, count: int) -> Tensor:
    """Cut a text into rows of one length ``(batch, time)``; what is left over is dropped."""
    return tokens[: len(tokens) // count * count].view(count, -1)


def _window(rows: Tensor, start: int, steps: int) -> tuple[Tensor, Tensor]:
    end = min(start + steps, rows.shape[1] - 1)
    return rows[:, start:end], rows[:, start + 1 : end + 1]


def tasks(file: Path | str, **settings: Any) -> Callable[[int], TextTask]:
    """Read a text once; return a function that makes the task, with fresh weights, of a seed."""
    text, _ = load_text(file)
    return lambda seed: TextTask(text, seed=seed, **settings)
