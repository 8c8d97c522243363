"""Settings of what is searched: spaces, arms and seeds, and the ground truth for comparison."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import MinLen

from wpl_lab.arm_choice import check_arms
from wpl_lab.constraints import Count, Positive, Probability
from wpl_lab.search.published.plan import Nasbench201
from wpl_lab.search.search_names import METHOD_NAMES
from wpl_lab.search.settings import (
    PlasticitySettings,
    Remedies,
    Seeds,
    Sweep,
    Training,
    check_searches,
)
from wpl_lab.search.spaces.image_settings import ImageModel, ImagePlasticity, ImageSpace
from wpl_lab.search.spaces.space_settings import Space
from wpl_lab.search.spaces.text_settings import TextModel, TextPlasticity, TextSpace
from wpl_lab.search.strategies.strategy_settings import Policy, Population


@dataclass(frozen=True, kw_only=True)
class Dropout:
    """NAO in the small space at several dropout probabilities, as in the paper."""

    rates: tuple[Probability, ...]
    """Dropout probabilities; those of the paper are in config/paper.yaml."""
    arms: Annotated[tuple[str, ...], MinLen(1)]
    """Arms at each of these probabilities."""

    def __post_init__(self) -> None:
        """Check the arms.

        Raises:
            ValueError: If an arm is unknown, or the baseline is missing.
        """
        check_arms("arms", self.arms, "nao")


@dataclass(frozen=True, kw_only=True)
class Standalone:
    """How architectures are trained alone, each from scratch: the ground truth."""

    batches: Count
    """Training batches of an architecture of the small space, for the ground truth."""
    retrain: Count
    """Training batches of an architecture of the full space, found or random."""
    learning_rate: Positive
    """Learning rate of gradient descent; it decays linearly to 0 over the second half."""
    seeds: Seeds
    """Root seeds of the ground truth, which is the mean over them."""
    cells_per_job: Count
    """Architectures trained side by side in one job, each with all seeds."""
    random: Count
    """Random architectures of the full space to compare with the found ones, per seed."""


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Searches of one task; each task has a subclass."""

    seeds: Seeds
    """Root seeds of the searches of the small space by ENAS and by uniform sampling."""
    other_seeds: Seeds
    """Root seeds of the other searches, a subset of seeds."""
    seeds_per_job: Count
    """Searches of one arm that run side by side in one job."""
    small: Space
    """A space small enough to train every architecture alone, which gives the ground truth."""
    full: Space
    """A larger space, of which found and random architectures are trained alone."""
    model: TextModel | ImageModel
    training: Training
    plasticity: PlasticitySettings
    remedies: Remedies
    sweep: Sweep
    standalone: Standalone
    dropout: Dropout


@dataclass(frozen=True, kw_only=True)
class TextCells(Cells):
    """Recurrent cells on text."""

    small: TextSpace
    full: TextSpace
    model: TextModel
    plasticity: TextPlasticity


@dataclass(frozen=True, kw_only=True)
class ImageCells(Cells):
    """Convolutional cells on images."""

    small: ImageSpace
    full: ImageSpace
    model: ImageModel
    plasticity: ImagePlasticity


@dataclass(frozen=True, kw_only=True)
class Search:
    """Architecture search with weights that all children share, on text and on images."""

    device: Literal["auto", "cpu", "cuda"]
    """Where searches compute: auto (a GPU if there is one), cpu or cuda."""
    primary: Literal["err2", "forgetting", "space_mean", "tau", "regret"]
    """The primary outcome, declared before the runs: err2 (error of a child after all children of
    its epoch were trained), forgetting, space_mean, tau or regret. All others are exploratory."""
    policy: Policy
    population: Population
    text: TextCells
    images: ImageCells
    nasbench201: Nasbench201

    def __post_init__(self) -> None:
        """Check the settings of each task against each other.

        Raises:
            ValueError: If they contradict each other; names the key.
        """
        check_cells("text", self.text)
        check_cells("images", self.images)


def check_cells(task: str, cells: Cells) -> None:
    """Check the settings of a task against each other.

    Args:
        task: Its section, for the messages.
        cells: Its settings.

    Raises:
        ValueError: If they contradict each other; names the key.
    """
    check_searches(
        seeds=cells.seeds,
        other_seeds=cells.other_seeds,
        training=cells.training,
        plasticity=cells.plasticity,
        remedies=cells.remedies,
        prefix=f"{task}.",
    )
    if not any(getattr(cells.small, method) for method in METHOD_NAMES):
        methods = ", ".join(METHOD_NAMES)
        raise ValueError(f"{task}.small: expected arms of one of the methods {methods}; got none")
    most = cells.training.exhaustive
    if cells.small.size > most:
        raise ValueError(
            f"{task}.small.nodes: {cells.small.size} cells are more than training.exhaustive, "
            f"{most}"
        )
