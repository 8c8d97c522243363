"""The gradient of a batch's mean loss from the pass that gives its squares."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wpl.fisher.accumulation.sums import Sums
from wpl.fisher.engines.batch import Parameters, add_rest_, back_propagate, record
from wpl.fisher.engines.per_sample import logits_of_each
from wpl.fisher.scores import Kind, Scores


def gradient_and_squares_(
    sums: Sums,
    parameters: Parameters,
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    *,
    kind: Kind,
    draws: int,
    generator: torch.Generator | None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Add a batch's mean squared scores and differentiate its mean loss.

    Args:
        sums: Where to add, by the ids of the parameters.
        parameters: By a name of the model's, the parameters wanted.
        model: In eval mode; the wanted parameters, and no others, require a gradient.
        inputs: ``(batch, ...)``.
        targets: Labels in the shape of the logits without class.
        kind: Of the Fisher information; but for ``"empirical"``, it takes a backward pass more.
        draws: Number of draws per sample.
        generator: Their source.

    Returns:
        The loss, and its gradient by name.
    """
    uses, logits = record(sums, parameters, model, inputs, gradient=True)
    known = len(uses.unknown) < len(sums.of)
    scale = len(inputs) ** -0.5
    scores = Scores("empirical", logits, targets, 1, None, scale)
    flat = logits.detach().flatten(0, -2)
    loss = F.cross_entropy(flat, targets.flatten(), reduction="sum") / len(inputs)
    both = kind == "empirical" and known
    sums.begin_batch(1)
    gradients = uses.send_back(
        logits, next(iter(scores)), squares=both, gradient=True, keep=kind != "empirical"
    )
    sums.end_pass()
    if not both:
        alone = logits if known else logits_of_each(model, inputs)
        scores = Scores(kind, alone, targets, draws, generator, scale)
        back_propagate(uses, logits, scores)
    add_rest_(sums, parameters, uses.unknown, model, inputs, scores)
    return loss, {
        name: gradients[id(p)].mul_(scale) if id(p) in gradients else torch.zeros_like(p)
        for name, p in parameters.items()
    }
