"""Settings of the search for recurrent cells on text."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import MinLen

from wpl_lab.constraints import Count, Positive, Probability
from wpl_lab.search.settings import PlasticitySettings
from wpl_lab.search.spaces.recurrent import RecurrentSpace
from wpl_lab.search.spaces.space_settings import Space


@dataclass(frozen=True, kw_only=True)
class TextSpace(Space):
    """A space of recurrent cells, and the arms that search it."""

    @property
    def size(self) -> int:
        """Number of architectures."""
        return RecurrentSpace(self.nodes).size


@dataclass(frozen=True, kw_only=True)
class TextModel:
    """The language model around a recurrent cell, and its batches of text."""

    hidden: Count
    """Units of the hidden state and of the embedding."""
    dropout: Probability
    """Probability of dropping a unit of the embedded input or of the output, the same at all time
    steps."""
    weight_drop: Probability
    """Probability of dropping a recurrent weight."""
    drop_path: Probability
    """In the arm drop_path, the probability that a node passes its input on unchanged."""
    batch_size: Count
    """Batch size: rows of text that are read side by side."""
    steps: Count
    """Time steps of back-propagation through time."""
    score_rows: Count
    """Rows into which validation and test text is split for scoring."""
    reward_scale: Positive
    """c of the reward c/perplexity."""


@dataclass(frozen=True, kw_only=True)
class TextPlasticity(PlasticitySettings):
    """How the weights of earlier recurrent cells are protected."""

    protect: Annotated[
        tuple[Literal["embedding", "bias", "input", "recurrent", "edge"], ...], MinLen(1)
    ]
    """Groups of shared weights that are protected: embedding, bias, input, recurrent, edge."""
