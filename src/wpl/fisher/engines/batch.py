"""One batch: a recorded forward pass, backward passes, and the rest sample by sample."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from wpl.fisher.accumulation.sums import Sums
from wpl.fisher.engines import per_sample
from wpl.fisher.engines.chain import Chain
from wpl.fisher.engines.recorder import Recorder
from wpl.fisher.engines.rows import FIRST
from wpl.fisher.engines.uses import Uses
from wpl.fisher.scores import Scores

Parameters = Mapping[str, Tensor]


def record(
    sums: Sums, parameters: Parameters, model: nn.Module, inputs: Tensor, *, gradient: bool
) -> tuple[Uses, Tensor]:
    """Call a model with a batch and see which of its parameters' uses are known.

    Args:
        sums: Where squares will be added, by the ids of the parameters.
        parameters: By a name of the model's, the parameters wanted.
        model: In eval mode; the wanted parameters, and no others, require a gradient.
        inputs: ``(batch, ...)``.
        gradient: Whether the pass shall also give the gradient.

    Returns:
        The uses, with the parameters among the ``unknown`` whose squares they cannot give; and the
        logits.

    Raises:
        RuntimeError: If the model drew random numbers: there is then no one gradient to square.
        ValueError: If the logits are not ``(batch, class)`` or ``(batch, time, class)``.
    """
    settings = (parameters.values(), sums, len(inputs))
    chain = Chain(*settings, with_gradient=gradient)
    logits = chain.call(model, inputs.detach())
    if logits is not None:
        _check(logits, inputs)
        return chain, logits
    recorder = Recorder(*settings, with_gradient=gradient)
    logits = _watch(recorder, model, inputs.detach())  # of its own, to be marked
    _check(logits, inputs)
    known = recorder.is_sound(logits)
    recorder.unknown |= _leaves(logits) & set(sums.of) if known else set(sums.of)
    return recorder, logits


def _check(logits: Tensor, inputs: Tensor) -> None:
    if logits.ndim not in (2, 3) or len(logits) != len(inputs):
        raise ValueError(
            f"expected logits (batch, class) or (batch, time, class) for {len(inputs)} samples; "
            f"got {tuple(logits.shape)}"
        )


def _watch(recorder: Recorder, model: nn.Module, inputs: Tensor) -> Tensor:
    """Call a model and see each of its calls."""
    before = _random_state(inputs.device)
    recorder.mark(inputs, FIRST)
    with torch.enable_grad(), recorder:
        logits: Tensor = model(inputs)
    if not torch.equal(before, _random_state(inputs.device)):
        raise RuntimeError(
            "the model draws random numbers in eval mode: its samples have no one gradient"
        )
    return logits


def add_squares_(
    sums: Sums,
    parameters: Parameters,
    model: nn.Module,
    inputs: Tensor,
    scores_of: Callable[[Tensor], Scores],
) -> None:
    """Add the squared scores of the samples of a batch.

    Args:
        sums: Where to add, by the ids of the parameters.
        parameters: By a name of the model's, the parameters wanted.
        model: In eval mode; the wanted parameters, and no others, require a gradient.
        inputs: ``(batch, ...)``.
        scores_of: What to back-propagate, given the logits; called once.
    """
    uses, logits = record(sums, parameters, model, inputs, gradient=False)
    if len(uses.unknown) == len(sums.of):
        logits = per_sample.logits_of_each(model, inputs)  # samples may have met
    scores = scores_of(logits)
    back_propagate(uses, logits, scores)
    add_rest_(sums, parameters, uses.unknown, model, inputs, scores)


def back_propagate(uses: Uses, logits: Tensor, scores: Scores) -> None:
    """Send each vector back and add its squares for the parameters whose uses are known."""
    if len(uses.unknown) == len(uses.sums.of):
        return
    uses.sums.begin_batch(len(scores))
    for k, vector in enumerate(scores):
        more = k < len(scores) - 1
        uses.send_back(logits, vector, squares=True, gradient=False, keep=more)
        uses.sums.end_pass()


def add_rest_(
    sums: Sums,
    parameters: Parameters,
    rest: set[int],
    model: nn.Module,
    inputs: Tensor,
    scores: Scores,
) -> None:
    """Add the squares for parameters that have no closed form, and close the batch."""
    left = {name: sums.of[id(p)] for name, p in parameters.items() if id(p) in rest}
    if left:
        per_sample.add_squares_(left, model, inputs, scores)
    sums.end_batch()


def _random_state(device: torch.device) -> Tensor:
    """Get the state of the generator that a model on a device draws from.

    Returns:
        The state.
    """
    if device.type == "cuda":
        return torch.cuda.get_rng_state(device)
    return torch.get_rng_state()


def _leaves(output: Tensor) -> set[int]:
    """Find the leaves that the graph of an output ends in, by id.

    Stand-ins take the place of the parameters in each call that was seen, so a parameter among the
    leaves has a use that was not, as in a scripted module.

    Returns:
        The ids.
    """
    found: set[int] = set()
    nodes = [output.grad_fn] if output.grad_fn is not None else []
    seen = set(nodes)
    while nodes:
        node = nodes.pop()
        behind = node.next_functions
        if not behind and hasattr(node, "variable"):
            found.add(id(node.variable))
        for following, _ in behind:
            if following is not None and following not in seen:
                seen.add(following)
                nodes.append(following)
    return found
