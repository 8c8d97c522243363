"""Squared gradients of each sample without a closed form: vectorised, or one after the other."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap

from wpl.fisher.accumulation.precision import precise
from wpl.fisher.accumulation.sum import Sum
from wpl.fisher.scores import Scores

# Elements of gradients made at once (256 MB of single precision): bounds memory, not results.
ELEMENTS = 2**26


def logits_of_each(model: nn.Module, inputs: Tensor) -> Tensor:
    """Call a model with each sample alone.

    Returns:
        The logits, stacked.
    """
    with torch.no_grad():
        return torch.cat([model(x.unsqueeze(0)) for x in inputs])


def add_squares_(sums: Mapping[str, Sum], model: nn.Module, inputs: Tensor, scores: Scores) -> None:
    """Add the squares of each sample's gradient for some parameters.

    Args:
        sums: By a name of the model's, where to add.
        model: Called with one sample at a time, whatever the batch.
        inputs: ``(batch, ...)``.
        scores: What to back-propagate from the logits.

    Raises:
        RuntimeError: If the model draws random numbers.
        OutOfMemoryError: If even one sample's gradients do not fit.
    """
    if len(inputs) == 1:
        _add_one_(sums, model, inputs, scores)
        return
    try:
        found = _vectorised(model, list(sums), inputs, scores)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        if "randomness" in str(error):  # drawn in eval mode: there is no one gradient to square
            raise
        found = None
    if found is not None:
        for name, square in found.items():
            sums[name].tensor().add_(square)
        return
    for row in range(len(inputs)):
        alone = slice(row, row + 1)
        _add_one_(sums, model, inputs[alone], scores.rows(alone))


def _vectorised(
    model: nn.Module, names: list[str], inputs: Tensor, scores: Scores
) -> dict[str, Tensor] | None:
    """Sum the squares for pairs of a sample and a vector, some at a time.

    Returns:
        The sums by name; None if the gradient of the first pair is not what autograd says, as with
        some functions that torch does not vectorise rightly.
    """
    parameters = {name: model.get_parameter(name).detach() for name in names}

    def squares(x: Tensor, vector: Tensor) -> dict[str, Tensor]:
        def logits_of(some: dict[str, Tensor]) -> Tensor:
            logits: Tensor = functional_call(model, some, (x.unsqueeze(0),))
            return logits

        _, pullback = vjp(logits_of, parameters)  # type: ignore[misc]
        gradients = pullback(vector.unsqueeze(0))[0]
        return {name: precise(g).square() for name, g in gradients.items()}

    found: dict[str, Tensor] = {}
    for vector in scores:
        at_once = ELEMENTS // (sum(p.numel() for p in parameters.values()) + vector[0].numel())
        pieces = inputs.split(max(1, at_once)), vector.split(max(1, at_once))
        for some, vectors in zip(*pieces, strict=True):
            each = vmap(squares)(some, vectors)
            if not found and not _is_right(each, model, some[:1], vectors[:1]):
                return None
            for name, square in each.items():
                found[name] = found[name] + square.sum(0) if name in found else square.sum(0)
    return found


def _is_right(squares: dict[str, Tensor], model: nn.Module, inputs: Tensor, vector: Tensor) -> bool:
    """Compare the squares of the first pair with autograd's."""
    sums = {name: Sum(model.get_parameter(name)) for name in squares}
    _add_one_(sums, model, inputs, [vector])
    for name, square in squares.items():
        expected = sums[name].tensor()
        atol = 1e-3 * float(expected.max()) if expected.numel() else 0.0
        if not torch.allclose(square[0], expected, rtol=1e-3, atol=atol, equal_nan=True):
            return False
    return True


def _add_one_(
    sums: Mapping[str, Sum], model: nn.Module, inputs: Tensor, scores: Iterable[Tensor]
) -> None:
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
