"""One batch: a recorded forward pass, backward passes, and the rest sample by sample."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from wpl.closed_forms import per_sample
from wpl.closed_forms.recorder import Recorder
from wpl.closed_forms.rows import FIRST
from wpl.closed_forms.scores import Scores
from wpl.closed_forms.sums import Sums


def add_squares_(
    sums: Sums,
    parameters: Mapping[str, Tensor],
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
    inputs = inputs.detach()  # an alias of its own, to be marked
    if len(inputs) == 1:
        before = random_state(inputs.device)
        with torch.no_grad():
            logits = model(inputs)
        check_forward(before, inputs, logits)
        scores = scores_of(logits)
        _add_rest_(sums, parameters, set(sums.of), model, inputs, scores)
        return
    recorder = Recorder(parameters.values(), sums, len(inputs), with_gradient=False)
    recorder.mark(inputs, FIRST)
    before = random_state(inputs.device)
    with torch.enable_grad(), recorder:
        logits = model(inputs)
    check_forward(before, inputs, logits)
    if recorder.is_sound(logits):
        rest = recorder.unknown | _leaves(logits) & set(sums.of)
        scores = scores_of(logits)
    else:
        rest = set(sums.of)
        scores = scores_of(per_sample.logits_of_each(model, inputs))
    recorder.unknown = rest
    if len(rest) < len(sums.of):
        back_propagate(recorder, logits, scores)
    _add_rest_(sums, parameters, rest, model, inputs, scores)


def back_propagate(recorder: Recorder, logits: Tensor, scores: Scores) -> None:
    """Send each vector back through the recorded pass, as far as the wanted parameters reach."""
    if not recorder.taps:
        return
    sums = recorder.sums
    sums.begin_batch(len(scores))
    recorder.listening = True
    for k, vector in enumerate(scores):
        torch.autograd.grad(
            logits,
            recorder.taps,
            vector,
            retain_graph=k < len(scores) - 1,
            allow_unused=True,
        )
        sums.end_pass()


def _add_rest_(
    sums: Sums,
    parameters: Mapping[str, Tensor],
    rest: set[int],
    model: nn.Module,
    inputs: Tensor,
    scores: Scores,
) -> None:
    left = {name: sums.of[id(p)] for name, p in parameters.items() if id(p) in rest}
    if left:
        per_sample.add_squares_(left, model, inputs, scores)
    sums.end_batch()


def check_forward(before: Tensor, inputs: Tensor, logits: Tensor) -> None:
    """Check what came of a forward pass.

    Raises:
        RuntimeError: If it drew random numbers: there is then no one gradient to square.
        ValueError: If the logits are not ``(batch, class)`` or ``(batch, time, class)``.
    """
    if not torch.equal(before, random_state(inputs.device)):
        raise RuntimeError(
            "the model draws random numbers in eval mode: its samples have no one gradient"
        )
    if logits.ndim not in (2, 3) or len(logits) != len(inputs):
        raise ValueError(
            f"expected logits (batch, class) or (batch, time, class) for {len(inputs)} samples; "
            f"got {tuple(logits.shape)}"
        )


def random_state(device: torch.device) -> Tensor:
    """Get the state of the generator that a model on a device draws from."""
    if device.type == "cuda":
        return torch.cuda.get_rng_state(device)
    return torch.get_rng_state()


def _leaves(output: Tensor) -> set[int]:
    """Find the leaves that the graph of an output ends in, by id."""
    found: set[int] = set()
    nodes = [output.grad_fn] if output.grad_fn is not None else []
    seen = set(nodes)
    while nodes:
        node = nodes.pop()
        if hasattr(node, "variable"):
            found.add(id(node.variable))
        for following, _ in node.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                nodes.append(following)
    return found


@contextmanager
def prepared(model: nn.Module, parameters: Mapping[str, Tensor]) -> Iterator[None]:
    """Put a model into eval mode, with gradients for some parameters only, and back.

    Yields:
        Nothing.

    Raises:
        ValueError: If a batch norm keeps no running statistics.
    """
    wanted = {id(p) for p in parameters.values()}
    training = []
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is None:
            raise ValueError(
                f"batch norm {name!r} keeps no running statistics: in a batch its samples "
                "depend on each other, and a per-sample gradient does not exist"
            )
        if module.training:
            training.append(module)
    changed = [p for p in model.parameters() if p.requires_grad != (id(p) in wanted)]
    try:
        for module in training:
            module.training = False
        for p in changed:
            p.requires_grad_(not p.requires_grad)
        yield
    finally:
        for module in training:
            module.training = True
        for p in changed:
            p.requires_grad_(not p.requires_grad)
