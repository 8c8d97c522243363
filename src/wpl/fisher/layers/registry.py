"""Which torch functions have a closed form, and how a layer says what it is."""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, NamedTuple, TypeVar

from torch import Tensor

from wpl.fisher.accumulation.contribution import Contribution
from wpl.fisher.accumulation.precision import precise

# From the gradient of a layer's output, what that contributes to a weight.
Make = Callable[[Tensor], Contribution]
Form = tuple[Tensor | None, Make]  # an operand that may be a weight, and that
Layer = Callable[..., Sequence[Form] | None]


class Samples(Enum):
    """How a torch function is called with samples, each of which the model sees as a batch of one.

    A tensor that holds samples is ``(sample, *shape)``, with the shape that the model sees.
    """

    LEADING = "the function works on the last dimensions, whatever leads: linear, layer norm"
    BATCH = "the first dimension is the batch and is merged with the samples: convolution, pooling"
    VMAP = "torch.vmap calls it"


class Entry(NamedTuple):
    """What is registered for a function."""

    layer: Layer
    samples: Samples


LAYERS: dict[Callable[..., Any], Entry] = {}
# Functions written out in terms of others, which are seen themselves.
COMPOSED: dict[Callable[..., Any], Callable[..., Any]] = {}
# Functions without weights, called with the samples merged into the batch; see ``merged``.
MERGED: dict[Callable[..., Any], Callable[..., Any]] = {}
# Functions that call themselves what they are made of; see ``recurrent``.
WHOLE: dict[Callable[..., Any], Callable[..., Any]] = {}
F = TypeVar("F", bound=Layer)


def register(*functions: Callable[..., Any], samples: Samples = Samples.VMAP) -> Callable[[F], F]:
    """Give torch functions a closed form of the squared gradients of their weights.

    The decorated layer takes the arguments of the functions. Tensors with samples are ``(sample,
    *shape)``, where shape is what the model sees for a batch of one; with ``Samples.BATCH`` they
    are as in an ordinary call with a batch. It returns a pair for each operand that may be a
    weight: the operand, and a function from the gradient of the output (shaped like the output
    ``(sample, ...)``) to a ``Contribution``. It returns None where it does not know the
    arguments; they are then differentiated sample by sample.

    Args:
        functions: As the model calls them, such as ``torch.nn.functional.conv_transpose2d``.
        samples: How they are called with all samples at once.

    Returns:
        A decorator that leaves the layer as it is.
    """

    def add(layer: F) -> F:
        LAYERS.update(dict.fromkeys(functions, Entry(layer, samples)))
        return layer

    return add


def positions(tensor: Tensor) -> Tensor:
    """Bring ``(sample, ..., feature)`` into ``(sample, position, feature)``, no half precision."""
    return precise(tensor.reshape(tensor.shape[0], -1, tensor.shape[-1]))
