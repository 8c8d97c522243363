"""Scale and shift after a normalisation: Σ_t g_t ∘ x̂_t and Σ_t g_t of each sample."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor

from wpl.fisher.accumulation.dense import Dense
from wpl.fisher.accumulation.precision import precise
from wpl.fisher.accumulation.sum import Contribution
from wpl.fisher.engines.rows import FIRST
from wpl.fisher.engines.saved import saved

if TYPE_CHECKING:
    from wpl.fisher.engines.recorder import Recorder


def layer_norm(
    recorder: "Recorder",
    func: Callable[..., Tensor],
    input: Tensor,  # noqa: A002
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *_: object,
) -> Tensor | None:
    """Record ``F.layer_norm``.

    Returns:
        Its result; None if the samples are not in the leading dimensions.
    """
    out = func(input, normalized_shape, recorder.stand_in(weight), recorder.stand_in(bias), eps)
    return _over_last(
        recorder,
        input,
        out,
        lambda x: F.layer_norm(x, normalized_shape, None, None, eps),
        len(normalized_shape),
        weight,
        bias,
    )


def rms_norm(
    recorder: "Recorder",
    func: Callable[..., Tensor],
    input: Tensor,  # noqa: A002
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor | None:
    """Record ``F.rms_norm``.

    Returns:
        Its result; None if the samples are not in the leading dimensions.
    """
    out = func(input, normalized_shape, recorder.stand_in(weight), eps)
    return _over_last(
        recorder,
        input,
        out,
        lambda x: F.rms_norm(x, normalized_shape, None, eps),
        len(normalized_shape),
        weight,
        None,
    )


def _over_last(
    recorder: "Recorder",
    x: Tensor,
    out: Tensor,
    normalise: Callable[[Tensor], Tensor],
    count: int,
    weight: Tensor | None,
    bias: Tensor | None,
) -> Tensor | None:
    place = recorder.samples_in(x)
    if place is None or place.dim >= x.ndim - count:
        return None
    before = saved(x)

    def features(t: Tensor) -> Tensor:
        return recorder.split(t.flatten(-count), place)  # (sample, position, feature)

    def contribute(gradient: Tensor) -> Iterator[tuple[Tensor, Contribution]]:
        g = features(gradient)
        if weight is not None and recorder.wants(weight):
            scale = (features(normalise(before())) * g).sum(1)
            yield weight, Dense(scale.view(-1, *weight.shape))
        if bias is not None and recorder.wants(bias):
            yield bias, Dense(g.sum(1).view(-1, *bias.shape))

    return recorder.tap(out, contribute, weight, bias)


def group_norm(
    recorder: "Recorder",
    func: Callable[..., Tensor],
    input: Tensor,  # noqa: A002
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *_: object,
) -> Tensor | None:
    """Record ``F.group_norm``.

    Returns:
        Its result; None if the samples do not come first.
    """
    if recorder.samples_in(input) != FIRST:
        return None
    out = func(input, num_groups, recorder.stand_in(weight), recorder.stand_in(bias), eps)
    return _over_channels(
        recorder, input, out, lambda x: F.group_norm(x, num_groups, None, None, eps), weight, bias
    )


def batch_norm(
    recorder: "Recorder",
    func: Callable[..., Tensor],
    input: Tensor,  # noqa: A002
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *_: object,
) -> Tensor | None:
    """Record ``F.batch_norm`` on running statistics.

    Returns:
        Its result; None if the samples do not come first.

    Raises:
        ValueError: If the statistics are those of the batch.
    """
    if func is not F.batch_norm:
        return None  # the arguments come in another order
    if training or running_mean is None or running_var is None:
        raise ValueError(
            "a batch norm uses the statistics of the batch: its samples depend on each other, and "
            "a per-sample gradient does not exist"
        )
    if recorder.samples_in(input) != FIRST:
        return None
    mean, variance = running_mean.detach(), running_var.detach()
    stand_ins = recorder.stand_in(weight), recorder.stand_in(bias)
    out = func(input, running_mean, running_var, *stand_ins, False, momentum, eps)

    def normalise(x: Tensor) -> Tensor:
        return F.batch_norm(x, mean, variance, None, None, False, momentum, eps)

    return _over_channels(recorder, input, out, normalise, weight, bias)


def _over_channels(
    recorder: "Recorder",
    x: Tensor,
    out: Tensor,
    normalise: Callable[[Tensor], Tensor],
    weight: Tensor | None,
    bias: Tensor | None,
) -> Tensor:
    before = saved(x)

    def positions(t: Tensor) -> Tensor:
        return precise(t.flatten(2) if t.ndim > 2 else t.unsqueeze(2))

    def contribute(gradient: Tensor) -> Iterator[tuple[Tensor, Contribution]]:
        g = positions(gradient)  # (sample, channel, position)
        if weight is not None and recorder.wants(weight):
            yield weight, Dense((positions(normalise(before())) * g).sum(2))
        if bias is not None and recorder.wants(bias):
            yield bias, Dense(g.sum(2))

    return recorder.tap(out, contribute, weight, bias)
