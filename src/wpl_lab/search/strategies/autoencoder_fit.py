"""How the networks of NAO learn from the scores of architectures.

Source: Luo et al., "Neural Architecture Optimization" (NeurIPS 2018), section 3.2, and the authors'
code.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from wpl_lab.adam import adam_step_
from wpl_lab.search.strategies.autoencoder import Autoencoder
from wpl_lab.seeding import batch_order


def draw_choices(options: Sequence[int], count: int, *, generator: torch.Generator) -> Tensor:
    """Draw sequences of choices uniformly.

    Args:
        options: Number of choices at each decision.
        count: Number of sequences.
        generator: Source of the draws.

    Returns:
        Choices ``(count, decision)``.
    """
    uniform = torch.rand((count, len(options)), generator=generator, dtype=torch.float64)
    return (uniform * torch.tensor(options)).long()


def autoencoder_loss(
    model: Autoencoder, choices: Tensor, scores: Tensor, *, tradeoff: float
) -> Tensor:
    """Compute the loss of predictor and decoder: λ · MSE + (1 − λ) · NLL, equation 1 of the paper.

    Args:
        model: The networks.
        choices: ``(count, decision)``.
        scores: Scores in [0, 1] of the first sequences; the others enter the NLL only.
        tradeoff: λ.

    Returns:
        The loss, a scalar: mean over sequences, and for the NLL also over decisions.
    """
    encoding = model.encode(choices)
    squared = F.mse_loss(model.predict(encoding[: len(scores)]), scores)
    likelihood = model.log_probability(encoding, choices).mean()
    return tradeoff * squared - (1 - tradeoff) * likelihood


def fit(
    model: Autoencoder,
    choices: Tensor,
    scores: Tensor,
    *,
    steps: int,
    batch: int,
    drawn: int,
    learning_rate: float,
    tradeoff: float,
    generator: torch.Generator,
) -> float:
    """Train the networks by Adam, starting with zero moments, as the scores have changed.

    Unlike in the paper, the decoder is also trained on sequences drawn uniformly, which need no
    score. Trained on a small population alone, it memorises the members and decodes the result of
    any gradient step to one of them, so that hardly any new architecture is found.

    Args:
        model: Changed in place.
        choices: ``(count, decision)``.
        scores: ``(count)``, in [0, 1].
        steps: Number of steps of Adam.
        batch: Sequences with scores in each step; all of them, if there are fewer.
        drawn: Sequences without scores in each step, newly drawn; 0 in the paper.
        learning_rate: Learning rate of Adam.
        tradeoff: λ.
        generator: Source of the order of the sequences, and of the drawn ones.

    Returns:
        The loss of the last step.
    """
    parameters = list(model.parameters())
    means, squares = ([torch.zeros_like(p) for p in parameters] for _ in range(2))
    counters = [torch.zeros(()) for _ in parameters]
    size = min(batch, len(choices))
    order = batch_order(len(choices), batch_size=size, iterations=steps, generator=generator)
    for rows in order:
        others = draw_choices(model.options, drawn, generator=generator)
        seen = torch.cat([choices[rows], others])
        loss = autoencoder_loss(model, seen, scores[rows], tradeoff=tradeoff)
        gradients = torch.autograd.grad(loss, parameters)
        adam_step_(parameters, gradients, means, squares, counters, learning_rate=learning_rate)
    return loss.item()
