"""What is back-propagated from the logits: Σ_k (Jᵀ v_k)² is the squared score of a sample."""

from collections.abc import Iterator
from copy import copy

import torch
from torch import Tensor

from wpl.fisher.accumulation.precision import precise_type
from wpl.kinds import Kind


class Scores:
    """Vectors v_k for the logits of a batch, in the shape of the logits.

    With p the prediction at a position and e_y its label, the score is Jᵀ(e_y − p), up to a sign
    that squares do not see. Its covariance over labels is diag(p) − ppᵀ = Σ_k v_k v_kᵀ; positions
    are independent, so each has vectors of its own. Iterating again gives the same vectors.
    """

    def __init__(
        self,
        kind: Kind,
        logits: Tensor,
        targets: Tensor,
        draws: int,
        generator: torch.Generator | None,
        scale: float = 1.0,
    ) -> None:
        """Draw what is random.

        Args:
            kind: Of the Fisher information.
            logits: ``(batch, class)`` or ``(batch, time, class)``.
            targets: Labels in the shape of the logits without class, used by ``"empirical"``.
            draws: Labels (``"mc"``) or signs (``"sketch"``) per sample and position.
            generator: Their source.
            scale: Factor of all vectors.

        Raises:
            ValueError: If the logits are of another shape, or the targets are used and do not fit.
        """
        if logits.ndim not in (2, 3):
            raise ValueError(
                f"expected logits (batch, class) or (batch, time, class); got {tuple(logits.shape)}"
            )
        if kind == "empirical":
            _check_shape(targets, logits)
            if targets.device.type != "cpu":  # where scatter_ does not look
                _check_range(targets, logits)
        self._kind, self._logits = kind, logits.detach()
        self._scale = scale if kind in ("empirical", "exact") else scale / draws**0.5
        self._drawn = targets.unsqueeze(1)  # (batch, draw, ...)
        if kind == "mc":
            self._drawn = _labels(self._logits, draws, generator)
        elif kind == "sketch":
            self._drawn = _signs(self._logits, draws, generator)

    def rows(self, rows: slice | Tensor) -> "Scores":
        """Take some samples.

        Returns:
            Their vectors.
        """
        some = copy(self)
        some._logits, some._drawn = self._logits[rows], self._drawn[rows]
        return some

    def __len__(self) -> int:
        """Number of vectors."""
        if self._kind == "exact":
            positions = self._logits.shape[1] if self._logits.ndim == 3 else 1
            return positions * max(1, self._logits.shape[-1] - 1)
        return self._drawn.shape[1]

    def __iter__(self) -> Iterator[Tensor]:
        """Give one vector after the other."""
        precise = precise_type(self._logits.dtype)
        p = torch.softmax(self._logits, -1, dtype=precise)
        if self._kind == "exact":
            vectors = _factors(p)
        elif self._kind == "sketch":
            vectors = _sketches(p, self._drawn)
        else:
            vectors = _errors(p, self._drawn)
        return (v.mul_(self._scale).to(self._logits.dtype) for v in vectors)


def _errors(p: Tensor, labels: Tensor) -> Iterator[Tensor]:
    """Give p − e_y for each label."""
    count = labels.shape[1]
    for k, label in enumerate(labels.unbind(1)):
        error = p if k == count - 1 else p.clone()
        try:
            error.scatter_(-1, label.long().unsqueeze(-1), -1, reduce="add")
        except (IndexError, RuntimeError):
            _check_range(label, p)
            raise
        yield error


def _sketches(p: Tensor, signs: Tensor) -> Iterator[Tensor]:
    """Give √p∘s − p(√p·s) for random signs s: its covariance is that of the score."""
    root = p.sqrt()
    for sign in signs.unbind(1):
        signed = torch.where(sign, root, -root)
        yield signed.sub_(p * signed.sum(-1, keepdim=True))


def _factors(p: Tensor) -> Iterator[Tensor]:
    """Give the columns of the Cholesky factor of diag(p) − ppᵀ, position by position.

    Column c has √(p_c t_{c+1}/t_c) at c and −p_j √(p_c/(t_c t_{c+1})) at j > c, with the tail
    t_c = Σ_{j≥c} p_j: Tanabe and Sagae, "An exact Cholesky decomposition" (1992).

    Yields:
        C − 1 columns for each position, zero at the others.
    """
    tail = p.flip(-1).cumsum(-1).flip(-1)
    least = torch.finfo(p.dtype).tiny
    for position in range(p.shape[1]) if p.ndim == 3 else [...]:
        q, t = (p[:, position], tail[:, position]) if p.ndim == 3 else (p, tail)
        for c in range(max(1, p.shape[-1] - 1)):
            vector = torch.zeros_like(p)
            column = vector[:, position] if p.ndim == 3 else vector
            if p.shape[-1] > 1:
                diagonal = (q[:, c] * t[:, c + 1] / t[:, c].clamp(min=least)).sqrt()
                column[:, c] = diagonal
                rest = q[:, c + 1 :] / t[:, c + 1, None].clamp(min=least)
                column[:, c + 1 :] = -rest * diagonal.unsqueeze(-1)
            yield vector


def _labels(logits: Tensor, draws: int, generator: torch.Generator | None) -> Tensor:
    """Draw labels for each position by inverting the cumulative distribution.

    The uniform numbers are taken row by row, so the draws do not depend on the batch size.

    Returns:
        Labels ``(batch, draw, ...)``.
    """
    batch, *positions, classes = logits.shape
    uniform = torch.rand(
        (batch, draws, *positions, 1),
        generator=generator,
        dtype=torch.float64,
        device=_device(generator),
    ).to(logits.device)
    cumulative = logits.double().softmax(-1).cumsum(-1)
    labels = [torch.searchsorted(cumulative, u.contiguous()) for u in uniform.unbind(1)]
    return torch.stack(labels, 1).squeeze(-1).clamp_(max=classes - 1)


def _signs(logits: Tensor, draws: int, generator: torch.Generator | None) -> Tensor:
    """Draw a sign for each logit, row by row.

    Returns:
        Truth values ``(batch, draw, ...)``.
    """
    batch, *rest = logits.shape
    bits = torch.randint(
        2,
        (batch, draws, *rest),
        generator=generator,
        dtype=torch.uint8,
        device=_device(generator),
    )
    return bits.to(logits.device).bool()


def _device(generator: torch.Generator | None) -> torch.device:
    return torch.device("cpu") if generator is None else generator.device


def _check_shape(targets: Tensor, logits: Tensor) -> None:
    if targets.shape != logits.shape[:-1]:
        raise ValueError(
            f"expected targets {tuple(logits.shape[:-1])} for logits {tuple(logits.shape)}; "
            f"got {tuple(targets.shape)}"
        )


def _check_range(targets: Tensor, logits: Tensor) -> None:
    if targets.numel() == 0:
        return
    low, high = torch.stack(torch.aminmax(targets)).tolist()
    if not 0 <= low <= high < logits.shape[-1]:
        raise ValueError(f"targets must lie in [0, {logits.shape[-1]}); got {low} to {high}")
