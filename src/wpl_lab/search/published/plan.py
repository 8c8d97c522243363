"""Settings of the searches that are evaluated with a published ground truth."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import MinLen

from wpl_lab.constraints import Count
from wpl_lab.search.settings import (
    PlasticitySettings,
    Remedies,
    Seeds,
    SharedTraining,
    Sweep,
    check_searches,
)
from wpl_lab.search.spaces.image_settings import Classifier
from wpl_lab.search.spaces.nasbench201 import Operation
from wpl_lab.search.spaces.space_settings import SearchArms


@dataclass(frozen=True, kw_only=True)
class Nasbench201Arms(SearchArms):
    """The space of NAS-Bench-201 and the arms with which it is searched; by default, none."""

    operations: Annotated[tuple[Operation, ...], MinLen(1)]
    """Operations of the edges: none, skip_connect, nor_conv_1x1, nor_conv_3x3, avg_pool_3x3."""


@dataclass(frozen=True, kw_only=True)
class Nasbench201Model(Classifier):
    """The classifier that is made of the cells, and its input images."""

    width: Count
    """Channels of the first stage (benchmark: 16); a residual block before each further stage
    doubles them and halves the resolution."""
    stages: Count
    """Number of stages (benchmark: 3)."""
    stacked: Count
    """Cells per stage (benchmark: 5)."""


@dataclass(frozen=True, kw_only=True)
class SampledTraining(SharedTraining):
    """How the shared weights are trained, and how many architectures are ranked with them."""

    sampled: Count
    """Number of architectures, drawn once for all searches, that are scored with the shared weights
    after 1, 2, 4, 8, … epochs and after the last one; their ranking is evaluated."""


@dataclass(frozen=True, kw_only=True)
class Nasbench201Plasticity(PlasticitySettings):
    """How the weights of earlier cells are protected."""

    protect: Annotated[
        tuple[Literal["stem", "reduction", "edge", "classifier", "bias"], ...], MinLen(1)
    ]
    """Groups of shared weights that are protected: stem, reduction, edge, classifier, bias."""


@dataclass(frozen=True, kw_only=True)
class Nasbench201:
    """Cells of NAS-Bench-201 on the images of section images, with published accuracies."""

    truth: str | None
    """CSV with the ground truth, columns genotype, accuracy and seed; empty (null): the tables of
    the benchmark, from the optional dependency nasbench."""
    primary: Literal["tau", "tau_top", "rho", "precision", "regret"]
    """The primary outcome, declared before the runs; it compares WPL with none, slow and replay."""
    seeds: Seeds
    """Root seeds of the searches by ENAS and by uniform sampling."""
    other_seeds: Seeds
    """Root seeds of the searches by NAO, a subset of seeds."""
    seeds_per_job: Count
    """Searches of one arm that run side by side in one job."""
    small: Nasbench201Arms
    model: Nasbench201Model
    training: SampledTraining
    plasticity: Nasbench201Plasticity
    remedies: Remedies
    sweep: Sweep

    def __post_init__(self) -> None:
        """Check the settings against each other.

        Raises:
            ValueError: If they do not fit; names the key.
        """
        check_searches(
            seeds=self.seeds,
            other_seeds=self.other_seeds,
            training=self.training,
            plasticity=self.plasticity,
            remedies=self.remedies,
        )
