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

# Scratch for per-sample gradients, in elements (256 MB of float32): bounds memory, not results.
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

    The model is evaluated in eval mode (dropout off, batch norm on its running statistics) and
    left in the mode it was in. A parameter used several times, or under several names, counts
    with the sum of its contributions to each sample's gradient.

    Args:
        model: Maps inputs ``(batch, ...)`` to logits ``(batch, class)`` or ``(batch, time,
            class)``; a row of the batch is one sample, whose log-likelihood sums over time.
        batches: Pairs of inputs ``(batch, ...)`` and integer targets ``(batch)`` or ``(batch,
            time)``. The result does not depend on how the samples are cut into batches.
        kind: Where the labels of the score come from: ``"empirical"``, the targets given;
            ``"mc"``, one draw per position from the model's prediction; ``"exact"``, the
            expectation over the model's prediction (the targets are not used). See Kunstner et
            al., "Limitations of the empirical Fisher approximation" (2019), for the difference.
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
    wanted = _select(model, parameters)
    size = sum(p.numel() for p in wanted.values())
    total = {name: torch.zeros_like(p, dtype=torch.float64) for name, p in wanted.items()}
    samples = 0
    with _eval_mode(model):

        def logits_of(params: dict[str, Tensor], x: Tensor) -> Tensor:
            logits: Tensor = functional_call(model, params, (x.unsqueeze(0),))
            return logits.squeeze(0)  # (class) or (time, class)

        squares = _exact(logits_of) if kind == "exact" else _empirical(logits_of)

        def of_sample(x: Tensor, y: Tensor) -> _Params:
            return squares(wanted, x, y)

        for inputs, targets in batches:
            with torch.no_grad():
                logits = model(inputs)
            _check_shapes(inputs, targets, logits)
            labels = _draw(logits, generator) if kind == "mc" else targets
            gradients = logits[0].numel() if kind == "exact" else 1  # of each sample
            rows = max(1, _SCRATCH // (gradients * size))
            for x, y in zip(inputs.split(rows), labels.split(rows), strict=True):
                per_sample = _map_rows(of_sample, x, y)
                for name, square in per_sample.items():
                    total[name] += square.sum(0, dtype=torch.float64)
            samples += len(inputs)
    if samples == 0:
        raise ValueError("batches holds no samples")
    fisher = {name: (total[name] / samples).to(p.dtype) for name, p in wanted.items()}
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
        classes = logits.shape[-1]
        p = logits.detach().reshape(-1, classes).softmax(-1)  # (time, class)
        score = p.sqrt().unsqueeze(-1) * (torch.eye(classes).to(p) - p.unsqueeze(-2))
        position = torch.eye(len(p)).to(p)
        vectors = torch.einsum("tck,ts->tcsk", score, position).reshape(-1, *logits.shape)
        scores = _map_rows(lambda vector: pullback(vector)[0], vectors)
        return {name: g.square().sum(0) for name, g in scores.items()}

    return squares


def _map_rows(function: Callable[..., _Params], *rows: Tensor) -> _Params:
    """Apply a function to each row: vectorised, or in a loop where torch.func cannot (nn.LSTM)."""
    try:
        result: _Params = vmap(function)(*rows)
    except RuntimeError:
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


def _select(model: nn.Module, parameters: Iterable[str] | None) -> _Params:
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
    return {name: known[name].detach() for name in names}


def _check_shapes(inputs: Tensor, targets: Tensor, logits: Tensor) -> None:
    if logits.ndim not in (2, 3) or logits.shape[:-1] != targets.shape:
        raise ValueError(
            "expected logits (batch, class) or (batch, time, class) and targets of the same shape "
            f"without class; got logits {tuple(logits.shape)}, targets {tuple(targets.shape)}"
        )
    if len(inputs) != len(targets):
        raise ValueError(f"got {len(inputs)} inputs and {len(targets)} targets in one batch")
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
