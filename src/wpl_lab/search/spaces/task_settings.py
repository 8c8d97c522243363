"""Settings of the tasks that architectures are searched for."""

from dataclasses import dataclass

from wpl_lab.constraints import Count, CountOrZero, Positive, Probability, Several


@dataclass(frozen=True, kw_only=True)
class TextModel:
    """The language model around a recurrent cell, and the text it is given."""

    hidden: Count
    """Units of the hidden state and of the embedding."""
    dropout: Probability
    """Probability of dropping a unit of the embedded input and of the output, the same at all time
    steps."""
    weight_drop: Probability
    """Probability of dropping a recurrent weight."""
    drop_path: Probability
    """In the arm drop_path, the probability that a node passes its input on unchanged."""
    batch_size: Count
    """Rows of text that are read side by side."""
    steps: Count
    """Time steps through which gradients flow back."""
    score_rows: Count
    """Rows into which validation and test text is cut to be scored."""
    reward_scale: Positive
    """c of the reward c/perplexity."""


@dataclass(frozen=True, kw_only=True)
class ImageModel:
    """The classifier that is made of convolutional cells, and the images it is given."""

    width: Count
    """Channels of the first stage; each further stage has twice as many, at half the resolution."""
    stages: Count
    """Number of stages; all but the first begin with a reduction cell."""
    stacked: CountOrZero
    """Normal cells of a stage."""
    repeats: Count
    """How often a separable convolution is applied in a row."""
    batch_size: Several
    """Images of a training batch."""
    measured: Several
    """Training images on which batch normalisation is measured before a child is scored."""
    shift: CountOrZero
    """Largest shift of training images, in pixels."""
    flip: bool
    """Whether half of the training images are mirrored."""
    dropout: Probability
    """Probability of dropping a feature before the classifier."""
    drop_path: Probability
    """In the arm drop_path, the probability that the result of an operation is dropped."""
