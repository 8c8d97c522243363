"""The torch functions that have a closed form, and the registration of layers."""

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Any, NamedTuple, Protocol, TypeVar

from torch import Tensor

from wpl.fisher.accumulation.squares import Contribution

# Maps the gradient of a layer's output to its contribution to a weight.
Make = Callable[[Tensor], Contribution]
Form = tuple[Tensor | None, Make]  # an operand that may be a weight, and its function
Layer = Callable[..., Sequence[Form] | None]


class Samples(Enum):
    """How a torch function is called with samples, each of which is a batch of one for the model.

    A tensor with samples is ``(sample, *shape)``, with the shape that it has in the model.
    """

    LEADING = "the function works on the last dimensions, whatever leads: linear, layer norm"
    BATCH = "the first dimension is the batch and is merged with the samples: convolution, pooling"
    VMAP = "torch.vmap calls it"


class Entry(NamedTuple):
    """The registration of a function."""

    layer: Layer
    samples: Samples


class Engine(Protocol):
    """What a layer that is written out needs from the engine that calls it.

    A weight is a wanted parameter, or a tensor computed from such parameters without the samples.
    """

    def sources(self, tensor: Tensor) -> list[Tensor]:
        """List the parameters that a weight is computed from; empty for anything else."""

    def stand_in(self, tensor: Any) -> Any:
        """Replace a weight by a stand-in, of which autograd does not compute the gradient."""

    def tap(self, out: Tensor, forms: Iterable[Form], way: str, *kept: Tensor) -> Tensor:
        """Compute the contributions to weights when the gradient of an output is available.

        Args:
            out: The output ``(sample, ...)``, just computed with stand-ins.
            forms: For each weight or stand-in, what the gradient contributes.
            way: A description, for ``explain``.
            *kept: Tensors that the forms need, which must not be changed in place before.

        Returns:
            The output to continue with.
        """


LAYERS: dict[Callable[..., Any], Entry] = {}
# Functions written out in terms of others, which are intercepted in turn.
COMPOSED: dict[Callable[..., Any], Callable[..., Any]] = {}
F = TypeVar("F", bound=Layer)


def register(*functions: Callable[..., Any], samples: Samples = Samples.VMAP) -> Callable[[F], F]:
    """Give torch functions a closed form of the squared gradients of their weights.

    The decorated layer takes the arguments of the functions. Tensors with samples are ``(sample,
    *shape)``, with the shape in the model for a batch of one; with ``Samples.BATCH`` they are as in
    an ordinary call with a batch. It returns a pair for each operand that may be a weight: the
    operand, and a function from the gradient of the output ``(sample, ...)`` to a
    ``Contribution``. It returns None for arguments that it does not support, which are then
    differentiated for each sample.

    Args:
        functions: The functions of torch, such as ``torch.nn.functional.conv_transpose2d``.
        samples: How they are called with all samples at once.

    Returns:
        A decorator that returns the layer unchanged.
    """

    def add(layer: F) -> F:
        LAYERS.update(dict.fromkeys(functions, Entry(layer, samples)))
        return layer

    return add
