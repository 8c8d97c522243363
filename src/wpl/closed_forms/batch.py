"""One batch: a recorded forward pass, backward passes, and the rest sample by sample."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from wpl.closed_forms import per_sample
from wpl.closed_forms.chain import run_chain
from wpl.closed_forms.precision import full_precision
from wpl.closed_forms.recorder import Recorder
from wpl.closed_forms.rows import FIRST
from wpl.closed_forms.scores import Scores
from wpl.closed_forms.sums import Sums

Parameters = Mapping[str, Tensor]


class Recorded(NamedTuple):
    """A forward pass, and the parameters whose squares it cannot give, by id."""

    recorder: Recorder
    logits: Tensor
    rest: set[int]


def record(
    sums: Sums, parameters: Parameters, model: nn.Module, inputs: Tensor, *, gradient: bool
) -> Recorded:
    """Call a model with a batch and see which of its parameters' uses are known.

    Args:
        sums: Where squares will be added, by the ids of the parameters.
        parameters: By a name of the model's, the parameters wanted.
        model: In eval mode; the wanted parameters, and no others, require a gradient.
        inputs: ``(batch, ...)``.
        gradient: Whether the pass shall also give the gradient.

    Returns:
        What was recorded.

    Raises:
        RuntimeError: If the model drew random numbers: there is then no one gradient to square.
        ValueError: If the logits are not ``(batch, class)`` or ``(batch, time, class)``.
    """

    def start() -> tuple[Recorder, Tensor]:
        recorder = Recorder(parameters.values(), sums, len(inputs), with_gradient=gradient)
        alias = inputs.detach()  # of its own, to be marked
        recorder.mark(alias, FIRST)
        return recorder, alias

    recorder, x = start()
    with torch.enable_grad():
        logits = run_chain(recorder, model, x)
    watched = logits is None
    if logits is None:
        recorder, x = start()
        logits = _watch(recorder, model, x)
    if logits.ndim not in (2, 3) or len(logits) != len(inputs):
        raise ValueError(
            f"expected logits (batch, class) or (batch, time, class) for {len(inputs)} samples; "
            f"got {tuple(logits.shape)}"
        )
    if watched:
        sound = recorder.is_sound(logits)
        recorder.unknown |= _leaves(logits) & set(sums.of) if sound else set(sums.of)
    return Recorded(recorder, logits, recorder.unknown)


def _watch(recorder: Recorder, model: nn.Module, inputs: Tensor) -> Tensor:
    """Call a model and see each of its calls."""
    before = _random_state(inputs.device)
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
    recorder, logits, rest = record(sums, parameters, model, inputs, gradient=False)
    if len(rest) == len(sums.of):
        logits = per_sample.logits_of_each(model, inputs)  # samples may have met
    scores = scores_of(logits)
    if len(rest) < len(sums.of):
        back_propagate(recorder, logits, scores)
    add_rest_(sums, parameters, rest, model, inputs, scores)


def back_propagate(
    recorder: Recorder, logits: Tensor, scores: Scores, *, keep: bool = False
) -> None:
    """Send each vector back through the recorded pass, as far as the wanted parameters reach."""
    leaves = [*recorder.taps, *recorder.stand_ins.values()]
    leaves = [leaf for leaf in leaves if leaf.requires_grad]
    if not leaves or not logits.requires_grad:
        return
    recorder.sums.begin_batch(len(scores))
    recorder.listening = True
    with full_precision(logits.device.type):
        for k, vector in enumerate(scores):
            retain = keep or k < len(scores) - 1
            torch.autograd.grad(logits, leaves, vector, retain_graph=retain, allow_unused=True)
            recorder.sums.end_pass()
    recorder.listening = False


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
