"""The exact quadratic form that the weight plasticity loss approximates, for small models.

The derivation of the loss (Benyahia, Yu et al., "Overcoming Multi-Model Forgetting", 2019, section
3) expands the negative log posterior of the first model around its optimum, with Hessian H, and
eliminates the private weights θ_1. For a step v of the shared weights θ_s there remains vᵀΩv/2,
Ω = H_ss − H_s1 H_11⁻¹ H_1s: the Schur complement of H. The diagonal Fisher information replaces Ω.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, jacrev, vmap

from wpl.kinds import Curvature

# Elements of Jacobians computed at once (256 MB of float64): bounds memory, not results.
_SCRATCH = 2**25


def exact_omega(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    shared: Sequence[str],
    curvature: Curvature = "hessian",
    precision: float = 0.0,
    damping: float = 0.0,
) -> Tensor:
    """Compute Ω of a small model in double precision.

    Time and memory grow with the square of the number of parameters, which should be a few thousand
    at most. The model is evaluated in its current mode.

    Args:
        model: Maps inputs ``(batch, ...)`` to logits ``(batch, class)`` or ``(batch, time,
            class)``, and can be differentiated by ``torch.func``.
        batches: As in ``posterior_hessian``.
        shared: Names of the shared parameters; all others are private and are eliminated.
        curvature: As in ``posterior_hessian``.
        precision: As in ``posterior_hessian``.
        damping: Added to the diagonal of H_11 before its inversion; without it, H_11 is singular
            if units are dead or identical.

    Returns:
        Ω ``(s, s)``, symmetric, float64; its rows are the entries of the shared parameters,
        flattened, in the order of ``shared``.

    Raises:
        ValueError: If a name is unknown or a duplicate, if there are no samples, or if H_11 is
            singular.
    """
    private = [name for name, _ in model.named_parameters() if name not in shared]
    full = posterior_hessian(
        model,
        batches,
        parameters=[*shared, *private],
        curvature=curvature,
        precision=precision,
    )
    count = sum(model.get_parameter(name).numel() for name in shared)
    return schur_complement(full, count, damping=damping)


def posterior_hessian(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    parameters: Sequence[str],
    curvature: Curvature = "hessian",
    precision: float = 0.0,
) -> Tensor:
    """Compute the Hessian of the negative log posterior, −mean_n log p(y_n | x_n, θ) + λ/2 ‖θ‖².

    Args:
        model: As in ``exact_omega``.
        batches: Pairs of inputs ``(batch, ...)`` and integer targets ``(batch)`` or ``(batch,
            time)``; a row is a sample, whose log-likelihood sums over time.
        parameters: Names of the parameters θ.
        curvature: ``"hessian"``, the second derivatives, which are not positive semi-definite away
            from an optimum; or ``"ggn"``, the generalised Gauss-Newton matrix mean_n J_nᵀ (diag p_n
            − p_n p_nᵀ) J_n, which always is, and is the full Fisher information over the model's
            own predictions; it does not use the targets.
        precision: λ of the Gaussian prior; corresponds to weight decay in a training loss.

    Returns:
        H ``(p, p)``, float64, rows in the order of ``parameters``, flattened.

    Raises:
        ValueError: If a name or the curvature is unknown, or there are no samples.
    """
    if curvature not in get_args(Curvature):
        choices = ", ".join(get_args(Curvature))
        raise ValueError(f"curvature must be one of {choices}; got {curvature!r}")
    known = dict(model.named_parameters())
    for name in parameters:
        if name not in known:
            raise ValueError(f"the model has no parameter {name!r}; it has {', '.join(known)}")
    if not parameters or len(set(parameters)) < len(parameters):
        raise ValueError(f"parameters must be one or more names, each once; got {[*parameters]}")
    state = {n: t.detach() for n, t in [*known.items(), *model.named_buffers()]}
    state = {n: t.double() if t.is_floating_point() else t for n, t in state.items()}
    theta = torch.cat([state[name].flatten() for name in parameters])

    def logits_of(flat: Tensor, x: Tensor) -> Tensor:
        parts = flat.split([known[name].numel() for name in parameters])
        chosen = {n: part.view(known[n].shape) for n, part in zip(parameters, parts, strict=True)}
        logits: Tensor = functional_call(model, state | chosen, (x,))
        return logits

    total = theta.new_zeros(len(theta), len(theta))
    samples = 0
    for inputs, targets in batches:
        x = inputs.double() if inputs.is_floating_point() else inputs
        if curvature == "ggn":
            total += _ggn(logits_of, theta, x)
        else:
            total += _hessian(logits_of, theta, x, targets)
        samples += len(inputs)
    if samples == 0:
        raise ValueError("batches holds no samples")
    total /= samples
    total.diagonal().add_(precision)
    return total


def schur_complement(full: Tensor, shared: int, *, damping: float = 0.0) -> Tensor:
    """Eliminate the private weights from a Hessian: Ω = H_ss − H_s1 (H_11 + ε)⁻¹ H_1s.

    Args:
        full: H ``(p, p)``, the shared weights first.
        shared: Number s of shared weights.
        damping: ε.

    Returns:
        Ω ``(s, s)``, symmetric.

    Raises:
        ValueError: If H_11 + ε is singular.
    """
    across, private = full[:shared, shared:], full[shared:, shared:]
    damped = private + damping * torch.eye(len(private), dtype=full.dtype, device=full.device)
    solved, info = torch.linalg.solve_ex(damped, across.T)
    if info or not solved.isfinite().all():
        raise ValueError(f"H_11 is singular with damping {damping:g}; give a larger one")
    omega: Tensor = full[:shared, :shared] - across @ solved
    symmetric: Tensor = (omega + omega.T) / 2  # it is symmetric except for rounding
    return symmetric


def _hessian(logits_of: Callable[..., Tensor], theta: Tensor, x: Tensor, y: Tensor) -> Tensor:
    def loss(flat: Tensor) -> Tensor:
        logits = logits_of(flat, x)
        total: Tensor = F.cross_entropy(logits.flatten(0, -2), y.flatten(), reduction="sum")
        return total

    second: Tensor = jacrev(grad(loss))(theta)
    return second.detach()


def _ggn(logits_of: Callable[..., Tensor], theta: Tensor, x: Tensor) -> Tensor:
    """Sum over samples of Jᵀ (diag p − p pᵀ) J = (SJ)ᵀ(SJ), S = diag √p − √p pᵀ."""

    def of_sample(row: Tensor) -> Tensor:
        def logits(flat: Tensor) -> Tensor:
            one: Tensor = logits_of(flat, row.unsqueeze(0))
            return one.flatten(0, -2)  # (time, class)

        p = logits(theta).softmax(-1)
        jacobian = jacrev(logits)(theta)  # (time, class, p)
        centred = jacobian - torch.einsum("tc,tcp->tp", p, jacobian).unsqueeze(1)
        factor: Tensor = (p.sqrt().unsqueeze(-1) * centred).flatten(0, 1)
        return factor

    total = theta.new_zeros(len(theta), len(theta))
    size = logits_of(theta, x[:1]).numel() * len(theta)
    for rows in x.split(max(1, _SCRATCH // size)):
        factor = vmap(of_sample)(rows).flatten(0, 1)  # (sample · time · class, p)
        total.addmm_(factor.T, factor)
    return total
