"""The controller of ENAS: a recurrent network that draws architectures.

Source: Pham et al., "Efficient Neural Architecture Search via Parameter Sharing" (2018), and the
authors' code. An architecture is a sequence of decisions; each is drawn given those before it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Samples:
    """Architectures drawn from the controller's distribution π, or evaluated under it.

    Attributes:
        choices: What was chosen at each decision, int64 ``(count, decision)``.
        log_probability: log π(choices), ``(count)``, differentiable.
        entropy: Σ_i H(π(· | choices before i)), ``(count)``, differentiable; its mean under π is
            the entropy of π.
    """

    choices: Tensor
    log_probability: Tensor
    entropy: Tensor


class Controller(nn.Module):
    """An LSTM over decisions: the embedding of a choice is the input of the next step.

    The logits of a decision are c · tanh(z / T), with z linear in the hidden state, so that no
    choice can become certain. As in the authors' code, there are no biases.
    """

    def __init__(
        self,
        options: Sequence[int],
        *,
        generator: torch.Generator,
        roles: Sequence[str] | None = None,
        hidden: int = 100,
        temperature: float = 5.0,
        tanh_constant: float = 2.5,
    ) -> None:
        """Draw the weights, uniform in ±0.1.

        Args:
            options: Number of choices at each decision.
            generator: Source of the weights, on the CPU.
            roles: What each decision is about; decisions with the same role and number of choices
                share their embedding and their decoder. By default each has its own.
            hidden: Units of the LSTM, and of the embeddings.
            temperature: T, the divisor of the logits.
            tanh_constant: c, the bound of the logits.

        Raises:
            ValueError: If a decision has no choice, or the number of roles differs.
        """
        super().__init__()
        options = tuple(options)
        roles = tuple(map(str, range(len(options))) if roles is None else roles)
        if not options or min(options) < 1:
            raise ValueError(f"every decision needs at least one choice; got options {options}")
        if len(roles) != len(options):
            raise ValueError(f"{len(options)} decisions need as many roles; got {roles}")
        kinds = list(dict.fromkeys(zip(roles, options, strict=True)))
        self.options = options
        self._kinds = [kinds.index(kind) for kind in zip(roles, options, strict=True)]
        self._temperature, self._tanh_constant = temperature, tanh_constant
        self.start = nn.Parameter(torch.empty(hidden))
        with torch.random.fork_rng(devices=[]):  # layers draw weights, which are overwritten below
            self.cell = nn.LSTMCell(hidden, hidden, bias=False)
            self.decoders = nn.ModuleList(nn.Linear(hidden, n, bias=False) for _, n in kinds)
            # The last choice is not used as an input.
            fed = range(1 + max(self._kinds[:-1], default=-1))
            self.embeddings = nn.ModuleList(nn.Embedding(kinds[k][1], hidden) for k in fed)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.1, 0.1, generator=generator)

    def sample(self, count: int, *, generator: torch.Generator) -> Samples:
        """Draw architectures.

        Args:
            count: Number of architectures.
            generator: Source of uniform numbers, on the CPU whatever the device of the weights;
                choices are drawn by inverting the cumulative distribution.

        Returns:
            The samples.
        """
        shape = (count, len(self.options))
        uniform = torch.rand(shape, generator=generator, dtype=torch.float64).to(self.start.device)

        def draw(i: int, log_probabilities: Tensor) -> Tensor:
            cumulative = log_probabilities.double().exp().cumsum(1)[:, :-1]
            return (cumulative <= uniform[:, i, None]).sum(1)

        return self._unroll(count, draw)

    def replay(self, choices: Tensor) -> Samples:
        """Evaluate given choices under the current distribution.

        Args:
            choices: int64 ``(count, decision)``.

        Returns:
            Samples with these choices.

        Raises:
            ValueError: If there is not one choice for each decision.
        """
        if choices.ndim != 2 or choices.shape[1] != len(self.options):
            raise ValueError(
                f"choices must be (count, {len(self.options)}); got {tuple(choices.shape)}"
            )
        return self._unroll(len(choices), lambda i, _: choices[:, i].to(self.start.device))

    def log_probability(self, choices: Tensor) -> Tensor:
        """Compute log π(choices).

        Args:
            choices: int64 ``(count, decision)``.

        Returns:
            ``(count)``, differentiable.
        """
        return self.replay(choices).log_probability

    @torch.no_grad()
    def greedy(self) -> Tensor:
        """Take the most likely choice at each decision, given those before it.

        Returns:
            Choices ``(decision)``.
        """
        return self._unroll(1, lambda _, log_probabilities: log_probabilities.argmax(1)).choices[0]

    def _unroll(self, count: int, choose: Callable[[int, Tensor], Tensor]) -> Samples:
        choices: list[Tensor] = []
        log_probability = entropy = self.start.new_zeros(count)
        state = None
        step = self.start.expand(count, -1)
        for i, kind in enumerate(self._kinds):
            if i > 0:
                step = self.embeddings[self._kinds[i - 1]](choices[-1])
            state = self.cell(step, state)
            logits = self.decoders[kind](state[0])  # (count, choice)
            logits = self._tanh_constant * torch.tanh(logits / self._temperature)
            log_probabilities = F.log_softmax(logits, 1)
            choices.append(choose(i, log_probabilities.detach()))
            chosen = log_probabilities.gather(1, choices[-1][:, None]).squeeze(1)
            log_probability = log_probability + chosen
            entropy = entropy - (log_probabilities.exp() * log_probabilities).sum(1)
        return Samples(torch.stack(choices, 1), log_probability, entropy)
