"""The gradient of a batch's mean loss from the pass that gives its squares."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wpl.closed_forms.batch import Parameters, add_rest_, back_propagate, record
from wpl.closed_forms.per_sample import logits_of_each
from wpl.closed_forms.precision import full_precision
from wpl.closed_forms.scores import Kind, Scores
from wpl.closed_forms.sums import Sums


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
    recorder, logits, rest = record(sums, parameters, model, inputs, gradient=True)
    scale = len(inputs) ** -0.5
    scores = Scores("empirical", logits, targets, 1, None, scale)
    vector = next(iter(scores))
    flat = logits.detach().flatten(0, -2)
    loss = F.cross_entropy(flat, targets.flatten(), reduction="sum") / len(inputs)
    both = kind == "empirical" and len(rest) < len(sums.of)
    if both:
        sums.begin_batch(1)
    recorder.listening = both
    gradients = _gradients(
        logits,
        {id(p): [p, recorder.stand_ins.get(id(p))] for p in parameters.values()},
        recorder.taps,
        vector,
        keep=kind != "empirical",
    )
    recorder.listening = False
    sums.end_pass()
    if kind != "empirical" or len(rest) == len(sums.of):
        alone = logits_of_each(model, inputs) if len(rest) == len(sums.of) else logits
        scores = Scores(kind, alone, targets, draws, generator, scale)
        if len(rest) < len(sums.of):
            back_propagate(recorder, logits, scores)
    add_rest_(sums, parameters, rest, model, inputs, scores)
    return loss, {name: gradients[id(p)].mul_(scale) for name, p in parameters.items()}


def _gradients(
    logits: Tensor,
    leaves: dict[int, list[Tensor | None]],
    taps: list[Tensor],
    vector: Tensor,
    *,
    keep: bool,
) -> dict[int, Tensor]:
    """Back-propagate a vector to all leaves that stand for a parameter, and add them up.

    Returns:
        The gradients.
    """
    flat = [(key, leaf) for key, each in leaves.items() for leaf in each if leaf is not None]
    found: tuple[Tensor | None, ...] = (None,) * len(flat)
    if logits.requires_grad:
        wanted = [leaf for _, leaf in flat]
        with full_precision(logits.device.type):
            found = torch.autograd.grad(
                logits, [*wanted, *taps], vector, retain_graph=keep, allow_unused=True
            )
    total: dict[int, Tensor] = {}
    storages: set[int] = set()
    for (key, _), gradient in zip(flat, found, strict=False):
        if gradient is None:
            continue
        shared = gradient.data_ptr() in storages  # autograd may give two leaves one tensor
        storages.add(gradient.data_ptr())
        own = gradient.clone() if shared else gradient
        total[key] = total[key] + own if key in total else own
    for key, leaf in flat:
        if key not in total:
            total[key] = torch.zeros_like(leaf)
    return total
