"""Settings of the search for convolutional cells on images."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import MinLen

from wpl_lab.constraints import Count, CountOrZero, Probability, Several
from wpl_lab.search.settings import PlasticitySettings
from wpl_lab.search.spaces.convolutional import ConvolutionalSpace, Operation
from wpl_lab.search.spaces.space_settings import Space


@dataclass(frozen=True, kw_only=True)
class ImageSpace(Space):
    """A space of convolutional cells, and the arms that search it."""

    alike: bool
    """Whether the reduction cell has the same architecture as the normal cell."""
    operations: Annotated[tuple[Operation, ...], MinLen(1)]
    """Operations of the nodes: identity, sep3, sep5 (separable convolutions), avg3, max3
    (pooling)."""

    @property
    def size(self) -> int:
        """Number of architectures."""
        space = ConvolutionalSpace(self.nodes, alike=self.alike, operations=self.operations)
        return space.size


@dataclass(frozen=True, kw_only=True)
class Classifier:
    """A classifier of images made of cells, and its batches of images."""

    width: Count
    """Channels of the first stage; each further stage has twice as many, at half the resolution."""
    stages: Count
    """Number of stages; all but the first begin with a reduction cell."""
    stacked: CountOrZero
    """Normal cells in a stage."""
    batch_size: Several
    """Batch size: images of a training batch."""
    measured: Several
    """Training images from which the batch-norm statistics of a child are computed before
    scoring."""
    shift: CountOrZero
    """Largest shift of training images, in pixels."""
    flip: bool
    """Whether half of the training images are mirrored."""
    dropout: Probability
    """Probability of dropping a feature before the classifier."""
    drop_path: Probability
    """In the arm drop_path, the probability that the result of an operation is dropped."""


@dataclass(frozen=True, kw_only=True)
class ImageModel(Classifier):
    """The classifier made of convolutional cells, and its batches of images."""

    repeats: Count
    """How many times a separable convolution is applied in sequence."""


@dataclass(frozen=True, kw_only=True)
class ImagePlasticity(PlasticitySettings):
    """How the weights of earlier convolutional cells are protected."""

    protect: Annotated[
        tuple[Literal["stem", "squeeze", "edge", "end", "classifier", "bias"], ...], MinLen(1)
    ]
    """Groups of shared weights that are protected: stem, squeeze, edge, end, classifier, bias."""
