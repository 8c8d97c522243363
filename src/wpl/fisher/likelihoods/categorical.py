"""One of several classes at each position: the outputs are logits of a softmax."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from wpl.fisher.likelihoods.likelihood import Likelihood, Standard, uniform


def _standard(outputs: Tensor, targets: Tensor | None, class_dim: int | None) -> Standard:
    """Move the classes to the end and merge the positions into one dimension."""
    if targets is not None and (targets.is_floating_point() or targets.is_complex()):
        raise ValueError(
            f"targets are {str(targets.dtype)[6:]}; categorical ones are whole numbers: for labels "
            "between 0 and 1 take likelihood='bernoulli', for values 'gaussian', for soft labels "
            "loss="
        )
    dim = _class_dim(outputs, targets) if class_dim is None else class_dim % outputs.ndim
    if outputs.ndim < 2 or outputs.shape[dim] == 1 or dim == 0:
        raise ValueError(
            f"one logit of one class, outputs {tuple(outputs.shape)}, says nothing: F is 0 "
            "everywhere; for yes or no take likelihood='bernoulli', for a value 'gaussian'"
        )
    moved = outputs.movedim(dim, -1)
    if targets is not None and targets.shape != moved.shape[:-1]:
        one_hot = " (one-hot? take argmax)" if targets.shape == outputs.shape else ""
        raise ValueError(
            f"expected targets {tuple(moved.shape[:-1])} for logits {tuple(outputs.shape)}; got "
            f"{tuple(targets.shape)}{one_hot}"
        )
    y = None if targets is None else targets.reshape(len(targets), -1)
    shape = moved.shape
    return Standard(
        moved.reshape(shape[0], -1, shape[-1]),
        y,
        lambda v: v.reshape(-1, *shape[1:]).movedim(-1, dim),
    )


def _class_dim(logits: Tensor, targets: Tensor | None) -> int:
    """Determine the dimension of the classes: the last of two or three, else the second."""
    if logits.ndim <= 2:
        return logits.ndim - 1
    if logits.ndim > 3:
        last = targets is not None and targets.shape == logits.shape[:-1]
        second = targets is None or targets.shape == logits.shape[:1] + logits.shape[2:]
        return logits.ndim - 1 if last and not second else 1
    _, a, b = logits.shape
    if a == b and a > 1:
        raise ValueError(
            f"cannot tell time from class in logits {tuple(logits.shape)}: give class_dim=-1 for "
            "(batch, time, class), class_dim=1 for (batch, class, time)"
        )
    return 1 if targets is not None and targets.shape[1:] == (b,) else 2


def _check_labels(z: Tensor, y: Tensor) -> None:
    """Raise an error for labels that are not classes."""
    if y.numel() == 0 or y.dtype is torch.bool:
        return
    low, high = torch.stack(torch.aminmax(y)).tolist()  # one synchronisation of a GPU, not two
    if not 0 <= low <= high < z.shape[-1]:
        raise ValueError(f"targets must lie in [0, {z.shape[-1]}); got {low} to {high}")


def _error(z: Tensor, y: Tensor) -> Tensor:
    p = torch.softmax(z, -1)
    return p.scatter_(-1, y.long().unsqueeze(-1), -1, reduce="add")


def _loss(z: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(z.flatten(0, 1), y.long().flatten(), reduction="none").view(y.shape)


def _draw(z: Tensor, draws: int, generator: torch.Generator | None) -> Tensor:
    """Draw labels by inverting the cumulative distribution."""
    batch, positions, classes = z.shape
    chance = uniform((batch, draws, positions, 1), z, generator)
    cumulative = z.double().softmax(-1).cumsum(-1)
    labels = [torch.searchsorted(cumulative, u.contiguous()) for u in chance.unbind(1)]
    return torch.stack(labels, 1).squeeze(-1).clamp_(max=classes - 1)


def _sketch(z: Tensor, signs: Tensor) -> Tensor:
    """Compute √p∘s − p(√p·s): its covariance is that of the score."""
    p = torch.softmax(z, -1)
    root = p.sqrt()
    signed = torch.where(signs, root, -root)
    return signed.sub_(p * signed.sum(-1, keepdim=True))


def _factors(z: Tensor) -> Iterator[Tensor]:
    """Yield the columns of the Cholesky factor of diag(p) − ppᵀ, position by position.

    Column c has √(p_c t_{c+1}/t_c) at c and −p_j √(p_c/(t_c t_{c+1})) at j > c, with the tail
    t_c = Σ_{j≥c} p_j: Tanabe and Sagae, "An exact Cholesky decomposition" (1992).
    """
    p = torch.softmax(z, -1)
    tail = p.flip(-1).cumsum(-1).flip(-1)
    least = torch.finfo(p.dtype).tiny
    for position in range(p.shape[1]):
        q, t = p[:, position], tail[:, position]
        for c in range(p.shape[-1] - 1):
            vector = torch.zeros_like(p)
            diagonal = (q[:, c] * t[:, c + 1] / t[:, c].clamp(min=least)).sqrt()
            vector[:, position, c] = diagonal
            rest = q[:, c + 1 :] / t[:, c + 1, None].clamp(min=least)
            vector[:, position, c + 1 :] = -rest * diagonal.unsqueeze(-1)
            yield vector


CATEGORICAL = Likelihood(
    standard=_standard,
    check_labels=_check_labels,
    error=_error,
    loss=_loss,
    draw=_draw,
    sketch=_sketch,
    factors=_factors,
    number=lambda z: z.shape[1] * (z.shape[2] - 1),
)
