"""Diagonal Fisher information: the mean over samples of the squared per-sample gradient.

For a sample n with input x and label y, the score is g_n = ∂ log p(y | x, θ)/∂θ, one gradient per
*sample*, and F = mean_n g_n², element-wise. Squaring the mean gradient of a batch instead gives
another, smaller quantity (by about the batch size); it is never computed here.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, vjp, vmap

Kind = Literal["empirical", "mc", "exact"]

# Scratch for gradients, in elements (256 MB of float32): bounds memory, not results.
_SCRATCH = 2**26


def diagonal_fisher(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    kind: Kind = "empirical",
    parameters: Iterable[str] | None = None,
    generator: torch.Generator | None = None,
) -> dict[str, Tensor]:
    """Estimate the diagonal Fisher information of a classifier or language model.

    Samples are differentiated together with ``torch.func``, or one after the other where it cannot
    vectorise the model (``nn.LSTM``). The model is evaluated in eval mode (dropout off, batch norm
    on its running statistics) and left in the mode it was in. A parameter used several times, or
    under several names, counts with the sum of its contributions to each sample's gradient.

    Args:
        model: Maps inputs ``(batch, ...)`` to logits ``(batch, class)`` or ``(batch, time,
            class)``; a row of the batch is one sample, whose log-likelihood sums over time.
        batches: Pairs of inputs ``(batch, ...)`` and integer targets ``(batch)`` or ``(batch,
            time)``. The result does not depend on how the samples are cut into batches.
        kind: Where the labels of the score come from: ``"empirical"``, the targets given;
            ``"mc"``, one draw per position from the model's prediction; ``"exact"``, the
            expectation over the model's prediction. The latter two do not use the targets. See
            Kunstner et al., "Limitations of the empirical Fisher approximation" (2019).
        parameters: Names, as in ``model.named_parameters()``, of the parameters wanted. By
            default, all that require a gradient.
        generator: Source of the draws of ``"mc"``.

    Returns:
        By name, F in the shape of its parameter.

    Raises:
        ValueError: If a name or the kind is unknown, if there are no samples, if targets do not
            fit the logits, if a batch norm keeps no running statistics (its samples depend on
            each other, so a per-sample gradient does not exist) or if F is not finite.
    """
    if kind not in get_args(Kind):
        raise ValueError(f"kind must be one of {', '.join(get_args(Kind))}; got {kind!r}")
    wanted, names = _select(model, parameters)
    total = {name: torch.zeros_like(p, dtype=torch.float64) for name, p in wanted.items()}
    size = sum(p.numel() for p in wanted.values())
    samples = 0
    with _eval_mode(model):

        def logits_of(params: _Params, x: Tensor) -> Tensor:
            logits: Tensor = functional_call(model, params, (x.unsqueeze(0),))
            return logits.squeeze(0)  # (class) or (time, class)

        squares = _exact(logits_of) if kind == "exact" else _empirical(logits_of)

        def of_sample(x: Tensor, y: Tensor) -> _Params:
            return squares(wanted, x, y)

        for inputs, targets in batches:
            with torch.no_grad():
                logits = model(inputs)
            _check_logits(inputs, logits)
            if kind == "empirical":
                _check_targets(targets, logits)
            labels = _draw(logits, generator) if kind == "mc" else targets
            vectors = logits[0].numel() if kind == "exact" else 1  # back-propagated per sample
            rows = max(1, _vectors_at_once(size, logits[0]) // vectors)
            for x, y in zip(inputs.split(rows), labels.split(rows), strict=True):
                for name, square in _map_rows(of_sample, x, y).items():
                    total[name] += square.sum(0, dtype=torch.float64)
            samples += len(inputs)
    if samples == 0:
        raise ValueError("batches holds no samples")
    fisher = {name: (total[used] / samples).to(wanted[used].dtype) for name, used in names.items()}
    for name, f in fisher.items():
        if not f.isfinite().all():
            raise ValueError(f"the Fisher information of {name!r} is not finite")
    return fisher


_Params = dict[str, Tensor]
_Logits = Callable[[_Params, Tensor], Tensor]
_Squares = Callable[[_Params, Tensor, Tensor], _Params]


def _empirical(logits_of: _Logits) -> _Squares:
    """Make the squared score of one sample for a given label."""

    def log_likelihood(params: _Params, x: Tensor, y: Tensor) -> Tensor:
        logits = logits_of(params, x)
        return -F.cross_entropy(
            logits.reshape(-1, logits.shape[-1]), y.reshape(-1), reduction="sum"
        )

    def squares(params: _Params, x: Tensor, y: Tensor) -> _Params:
        return {name: g.square() for name, g in grad(log_likelihood)(params, x, y).items()}

    return squares


def _exact(logits_of: _Logits) -> _Squares:
    """Make the expected squared score of one sample.

    With p the prediction at one position, E_y g² = Σ_c p_c (Jᵀ(e_c − p))²: one back-propagated
    vector for each position and class. Labels at different positions are independent and the
    expected score is zero, so positions add without cross terms.

    Returns:
        The function.
    """

    def squares(params: _Params, x: Tensor, _: Tensor) -> _Params:
        logits: Tensor
        logits, pullback = vjp(lambda p: logits_of(p, x), params)  # type: ignore[misc]
        p = logits.detach().reshape(-1, logits.shape[-1]).softmax(-1)  # (time, class)
        positions = torch.arange(len(p), device=p.device)
        classes = torch.arange(p.shape[1], device=p.device)

        def score(position: Tensor, label: Tensor) -> _Params:
            here, drawn = (positions == position).to(p), (classes == label).to(p)
            prediction = here @ p  # (class)
            vector = (prediction @ drawn).sqrt() * torch.outer(here, drawn - prediction)
            gradient: _Params = pullback(vector.reshape(logits.shape))[0]
            return gradient

        pairs = torch.cartesian_prod(positions, classes)
        at_once = _vectors_at_once(sum(v.numel() for v in params.values()), logits)
        total = {name: torch.zeros_like(v) for name, v in params.items()}
        for some in pairs.split(at_once):
            for name, g in _map_rows(score, some[:, 0], some[:, 1]).items():
                total[name] = total[name] + g.square().sum(0)
        return total

    return squares


def _vectors_at_once(size: int, logits: Tensor) -> int:
    """How many vectors of one sample to back-propagate together."""
    return max(1, _SCRATCH // (size + logits.numel()))


def _map_rows(function: Callable[..., _Params], *rows: Tensor) -> _Params:
    """Apply a function to each row: vectorised, or in a loop where torch.func cannot (nn.LSTM)."""
    try:
        result: _Params = vmap(function)(*rows)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        if "randomness" in str(error):  # drawn in eval mode: there is no one gradient to square
            raise
        each = [function(*row) for row in zip(*rows, strict=True)]
        result = {name: torch.stack([row[name] for row in each]) for name in each[0]}
    return result


def _draw(logits: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw a label for each position by inverting the cumulative distribution.

    The uniform numbers are taken row by row, so the draws do not depend on the batch size.

    Returns:
        Labels, in the shape of the logits without class.
    """
    device = generator.device if generator is not None else "cpu"
    uniform = torch.rand(
        (*logits.shape[:-1], 1), generator=generator, dtype=torch.float64, device=device
    )
    cumulative = logits.double().softmax(-1).cumsum(-1)
    return (
        torch.searchsorted(cumulative, uniform.to(logits.device))
        .squeeze(-1)
        .clamp_(max=logits.shape[-1] - 1)
    )


def _select(model: nn.Module, parameters: Iterable[str] | None) -> tuple[_Params, dict[str, str]]:
    """Look up parameters; one that has several names is differentiated once.

    Returns:
        The parameters, each by one name; and for each name asked for, that name.

    Raises:
        ValueError: If a name is unknown, or none is given.
    """
    known = dict(model.named_parameters(remove_duplicate=False))
    if parameters is None:
        names = [name for name, p in model.named_parameters() if p.requires_grad]
    else:
        names = list(parameters)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"the model has no parameter {unknown[0]!r}; it has {', '.join(known)}")
    if not names:
        raise ValueError("no parameters to estimate the Fisher information of")
    first = {id(known[name]): name for name in reversed(names)}
    used = {name: first[id(known[name])] for name in names}
    return {name: known[name].detach() for name in dict.fromkeys(used.values())}, used


def _check_logits(inputs: Tensor, logits: Tensor) -> None:
    if logits.ndim not in (2, 3) or len(logits) != len(inputs):
        raise ValueError(
            f"expected logits (batch, class) or (batch, time, class) for {len(inputs)} samples; "
            f"got {tuple(logits.shape)}"
        )


def _check_targets(targets: Tensor, logits: Tensor) -> None:
    if targets.shape != logits.shape[:-1]:
        raise ValueError(
            f"expected targets {tuple(logits.shape[:-1])} for logits {tuple(logits.shape)}; "
            f"got {tuple(targets.shape)}"
        )
    if targets.numel() and not 0 <= int(targets.min()) <= int(targets.max()) < logits.shape[-1]:
        raise ValueError(
            f"targets must lie in [0, {logits.shape[-1]}); got {int(targets.min())} to "
            f"{int(targets.max())}"
        )


@contextmanager
def _eval_mode(model: nn.Module) -> Iterator[None]:
    training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        for name, module in model.named_modules():
            stats: Mapping[str, Tensor | None] = dict(module.named_buffers(recurse=False))
            if isinstance(module, nn.modules.batchnorm._BatchNorm) and "running_mean" not in stats:
                raise ValueError(
                    f"batch norm {name!r} keeps no running statistics: in a batch its samples "
                    "depend on each other, and a per-sample gradient does not exist"
                )
        yield
    finally:
        for module, was in training.items():
            module.training = was
