"""The networks of NAO: architectures as points in a continuous space with predicted scores.

Source: Luo et al., "Neural Architecture Optimization" (NeurIPS 2018), sections 3.1 and 3.2, and the
authors' code.
"""

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Autoencoder(nn.Module):
    """An encoder of sequences of choices, a predictor of their scores, and a decoder.

    The encoder is an LSTM over the choices; its outputs, normalised to length 1, are the encoding.
    The predictor is a perceptron on their normalised mean e, with a sigmoid output, as scores are
    scaled to [0, 1] for training. The decoder is an LSTM that starts at e and attends to the
    encoding; choices that a decision does not have are masked, so that every output is valid.
    """

    options: tuple[int, ...]
    offsets: Tensor  # (decision): the token of the first choice
    barred: Tensor  # (decision, token): whether it is not a choice of the decision

    def __init__(
        self,
        options: Sequence[int],
        *,
        roles: Sequence[str],
        hidden: int,
        generator: torch.Generator,
    ) -> None:
        """Draw the weights, uniform in ±1/√hidden.

        Args:
            options: Number of choices at each decision.
            roles: What each decision is about; decisions with the same role and number of choices
                share their tokens.
            hidden: Units of each layer, and of the embeddings.
            generator: Source of the weights, on the CPU.

        Raises:
            ValueError: If a decision has no choice, or the number of roles differs.
        """
        super().__init__()
        self.options = tuple(options)
        if not options or min(options) < 1:
            raise ValueError(f"every decision needs at least one choice; got options {options}")
        if len(roles) != len(options):
            raise ValueError(f"{len(options)} decisions need as many roles; got {roles}")
        kinds = list(zip(roles, options, strict=True))
        sizes = {kind: kind[1] for kind in kinds}
        starts = itertools.accumulate(sizes.values(), initial=0)
        first = dict(zip(sizes, starts, strict=False))  # the last start is the number of tokens
        tokens = sum(sizes.values())
        offsets = torch.tensor([first[kind] for kind in kinds])
        choice = torch.arange(tokens) - offsets[:, None]
        self.register_buffer("offsets", offsets, persistent=False)
        barred = (choice < 0) | (choice >= torch.tensor(options)[:, None])
        self.register_buffer("barred", barred, persistent=False)
        with torch.random.fork_rng(devices=[]):  # layers draw weights, which are overwritten below
            self.read = nn.Embedding(tokens, hidden)
            self.encoder = nn.LSTM(hidden, hidden, batch_first=True)
            self.inner, self.outer = nn.Linear(hidden, hidden), nn.Linear(hidden, 1)
            self.written = nn.Embedding(tokens + 1, hidden)  # the last token is the start
            self.decoder = nn.LSTM(hidden, hidden, batch_first=True)
            self.mix = nn.Linear(2 * hidden, hidden)
            self.write = nn.Linear(hidden, tokens)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -(hidden**-0.5), hidden**-0.5, generator=generator)

    def encode(self, choices: Tensor) -> Tensor:
        """Encode sequences of choices.

        Args:
            choices: ``(count, decision)``.

        Returns:
            Encodings ``(count, decision, hidden)``.
        """
        return F.normalize(self.encoder(self.read(choices + self.offsets))[0], dim=2)

    def predict(self, encoding: Tensor) -> Tensor:
        """Predict the scores of encodings.

        Args:
            encoding: ``(count, decision, hidden)``.

        Returns:
            Scores ``(count)``, between 0 and 1.
        """
        inner = torch.relu(self.inner(_mean(encoding)))
        return torch.sigmoid(self.outer(inner)).squeeze(1)

    def log_probability(self, encoding: Tensor, choices: Tensor) -> Tensor:
        """Compute the log-probability of choices under the decoder, each given those before it.

        Args:
            encoding: ``(count, decision, hidden)``.
            choices: ``(count, decision)``.

        Returns:
            ``(count, decision)``.
        """
        tokens = choices + self.offsets
        start = tokens.new_full((len(tokens), 1), self.written.num_embeddings - 1)
        before = torch.cat([start, tokens[:, :-1]], 1)
        state = _mean(encoding)[None]
        output, _ = self.decoder(self.written(before), (state, state))
        log_probabilities = self._distribution(output, encoding, self.barred)
        return log_probabilities.gather(2, tokens[:, :, None]).squeeze(2)

    @torch.no_grad()
    def decode(self, encoding: Tensor) -> Tensor:
        """Decode greedily: the most likely choice at each decision, given those before it.

        Args:
            encoding: ``(count, decision, hidden)``.

        Returns:
            Choices ``(count, decision)``.
        """
        token = self.offsets.new_full((len(encoding),), self.written.num_embeddings - 1)
        state = _mean(encoding)[None]
        memory = state, state
        tokens = []
        for barred in self.barred:
            output, memory = self.decoder(self.written(token)[:, None], memory)
            token = self._distribution(output, encoding, barred).squeeze(1).argmax(1)
            tokens.append(token)
        return torch.stack(tokens, 1) - self.offsets

    def climb(self, encoding: Tensor, sizes: Sequence[float]) -> Tensor:
        """Move encodings along the gradient of their predicted score.

        Args:
            encoding: Where each step starts, ``(count, decision, hidden)``.
            sizes: Step sizes η, factors on the gradient.

        Returns:
            ``(size, count, decision, hidden)``, normalised to length 1 again.
        """
        start = encoding.detach().requires_grad_()
        (slope,) = torch.autograd.grad(self.predict(start).sum(), start)
        eta = slope.new_tensor(sizes)[:, None, None, None]
        return F.normalize(start.detach() + eta * slope, dim=3)

    def _distribution(self, output: Tensor, encoding: Tensor, barred: Tensor) -> Tensor:
        """Attend to the encoding, and compute log-probabilities ``(count, decision, token)``."""
        attention = F.softmax(output @ encoding.mT, 2)
        mixed = torch.tanh(self.mix(torch.cat([attention @ encoding, output], 2)))
        return F.log_softmax(self.write(mixed).masked_fill(barred, -torch.inf), 2)


def _mean(encoding: Tensor) -> Tensor:
    return F.normalize(encoding.mean(1), dim=1)


def improve(model: Autoencoder, choices: Tensor, sizes: Sequence[float]) -> Tensor:
    """Improve architectures by gradient steps on their encodings.

    Args:
        model: The networks.
        choices: Where to start, ``(count, decision)``.
        sizes: Step sizes η, factors on the gradient.

    Returns:
        Choices ``(size, count, decision)``.
    """
    moved = model.climb(model.encode(choices), sizes)
    return model.decode(moved.flatten(0, 1)).view(len(sizes), *choices.shape)
