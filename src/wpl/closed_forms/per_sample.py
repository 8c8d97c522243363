"""Squared gradients of each sample without a closed form: vectorised, or one after the other."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap

from wpl.closed_forms.rows import precise
from wpl.closed_forms.scores import Scores
from wpl.closed_forms.sums import Sum

# Elements of gradients made at once (256 MB of single precision): bounds memory, not results.
ELEMENTS = 2**26


def logits_of_each(model: nn.Module, inputs: Tensor) -> Tensor:
    """Call a model with each sample alone.

    Returns:
        The logits, stacked.
    """
    with torch.no_grad():
        return torch.cat([model(x.unsqueeze(0)) for x in inputs])


def add_squares_(
    sums: Mapping[str, Sum], model: nn.Module, inputs: Tensor, scores: Scores
) -> None:
    """Add the squares of each sample's gradient for some parameters.

    Args:
        sums: By a name of the model's, where to add.
        model: Called with one sample at a time, whatever the batch.
        inputs: ``(batch, ...)``.
        scores: What to back-propagate from the logits.

    Raises:
        RuntimeError: If the model draws random numbers.
    """
    if len(inputs) == 1:
        _add_one_(sums, model, inputs, scores)
        return
    try:
        _add_vectorised_(sums, model, inputs, scores)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        if "randomness" in str(error):  # drawn in eval mode: there is no one gradient to square
            raise
        for row in range(len(inputs)):
            alone = slice(row, row + 1)
            _add_one_(sums, model, inputs[alone], scores.rows(alone))


def _add_vectorised_(
    sums: Mapping[str, Sum], model: nn.Module, inputs: Tensor, scores: Scores
) -> None:
    """See ``add_squares_``; a sample's vectors share its forward pass, some at a time."""
    parameters = {name: model.get_parameter(name).detach() for name in sums}

    def squares(x: Tensor, vectors: Tensor) -> dict[str, Tensor]:
        def logits_of(some: dict[str, Tensor]) -> Tensor:
            logits: Tensor = functional_call(model, some, (x.unsqueeze(0),))
            return logits

        _, pullback = vjp(logits_of, parameters)  # type: ignore[misc]
        gradients = vmap(lambda v: pullback(v.unsqueeze(0))[0])(vectors)
        return {name: precise(g).square().sum(0) for name, g in gradients.items()}

    found: dict[str, Tensor] = {}
    for rows, vectors in _pieces(sum(p.numel() for p in parameters.values()), scores, len(inputs)):
        for name, square in vmap(squares)(inputs[rows], vectors).items():
            added = square.sum(0)
            found[name] = found[name] + added if name in found else added
    for name, square in found.items():  # all or nothing: the loop starts again
        sums[name].tensor().add_(square)


def _pieces(size: int, scores: Scores, batch: int) -> Iterator[tuple[slice, Tensor]]:
    """Cut samples and vectors so that the gradients of a piece fit.

    Yields:
        Samples, and vectors ``(sample, vector, ...)``.
    """
    some: list[Tensor] = []
    for k, vector in enumerate(scores):
        some.append(vector)
        at_once = max(1, ELEMENTS // max(1, size + vector[0].numel()))
        if len(some) == at_once or k == len(scores) - 1:
            step = max(1, at_once // len(some))
            for start in range(0, batch, step):
                rows = slice(start, start + step)
                yield rows, torch.stack([v[rows] for v in some], 1)
            some = []


def _add_one_(sums: Mapping[str, Sum], model: nn.Module, inputs: Tensor, scores: Scores) -> None:
    """Add the squares for a batch of one sample, which autograd gives."""
    parameters = [model.get_parameter(name) for name in sums]
    with torch.enable_grad():
        logits = model(inputs)
    for vector in scores:
        gradients = torch.autograd.grad(
            logits, parameters, vector, retain_graph=True, allow_unused=True
        )
        for total, gradient in zip(sums.values(), gradients, strict=True):
            if gradient is not None:
                total.tensor().addcmul_(precise(gradient), precise(gradient))
