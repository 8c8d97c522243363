"""The table of arms: all that the experiments, the rules and the figures know of each of them.

An arm is a method on the weights that models share. To add one, add an entry to ``ARMS``: it is
then accepted in params.yaml, run where its ``default`` says, and part of every table and figure.
This module does not load torch: rules and figures read it, too.
"""

import difflib
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

Comparison = Literal["shared", "headline", "split", "enas", "uniform", "nao", "full"]
"""What arms take part in. ``shared``: two models, for every number of shared layers; ``headline``:
two models, for one number only; ``split``: one network, half of the classes after the other;
``enas``, ``uniform``, ``nao``: searches of a small space by that method; ``full``: searches of a
large space."""

TWO_MODELS: tuple[Comparison, ...] = ("shared", "headline")
SPLIT: tuple[Comparison, ...] = ("split",)
SEARCH: tuple[Comparison, ...] = ("enas", "uniform", "nao", "full")

Estimate = Literal["fisher", "fall", "moved", "mas", "omega"]
"""What is known of the shared weights when a model has been trained, tensor by tensor: ``fisher``,
the diagonal Fisher information; ``fall`` and ``moved``, the path integral of synaptic intelligence
and how far the weight has moved; ``mas``, the sensitivity of the output; and ``omega``, one matrix
for all weights together. Searches know ``fisher`` only."""
ESTIMATES: tuple[Estimate, ...] = ("fisher", "fall", "moved", "mas", "omega")


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A method on shared weights.

    Attributes:
        name: In params.yaml, file names and tables.
        title: In figures and findings.
        colour: In every figure, as are the next two.
        marker: As Matplotlib calls it.
        line: Likewise.
        applies: The comparisons that it can take part in.
        default: Those in which it takes part where params.yaml lists ``default``.
        importance: The importance of the weights of a tensor, which their anchor is weighted with;
            None for an arm without an anchor. Its arguments are estimates, by their names, each in
            the shape of the weights, and numbers of the arm's section of params.yaml. Only the
            proportions matter: all importances are scaled to the mean of the Fisher information.
        section: Of params.yaml: it holds the strength ``alpha`` for two models, and the numbers
            that ``importance`` asks for. A search has one strength for all arms.
        trains: What moves while the second of two models is trained: ``second``, that model;
            ``private``, its private weights; ``both``, both models, on the sum of their losses.
        alpha_decays: In a search, α falls linearly in the later epochs.
        drops_paths: In a search, operations are dropped at random while a child is trained.
        slows: In a search, the learning rate is smaller after the warm-up.
        replays: In a search, every second batch trains an earlier child.
        trains_together: In a search, several children are trained together, each step on their
            mean loss.
        adds_gradient: In a search, the gradient of the penalty is added to that of the loss, as in
            the paper, in place of a proximal step.
        reference: The method under study: the primary claims are about it, and others are compared
            with it.
    """

    name: str
    title: str
    colour: str
    marker: str
    line: str = "-"
    applies: tuple[Comparison, ...]
    default: tuple[Comparison, ...] = ()
    importance: Callable[..., "Tensor"] | None = None
    section: str | None = None
    trains: Literal["second", "private", "both"] = "second"
    alpha_decays: bool = False
    drops_paths: bool = False
    slows: bool = False
    replays: bool = False
    trains_together: bool = False
    adds_gradient: bool = False
    reference: bool = False

    @property
    def style(self) -> dict[str, str]:
        """How Matplotlib draws its line, in every figure."""
        return {
            "color": self.colour,
            "marker": self.marker,
            "linestyle": self.line,
            "label": self.title,
        }

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names of what ``importance`` is computed from."""
        return tuple(inspect.signature(self.importance).parameters) if self.importance else ()

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """The estimates that its anchor takes: F, for the scale, and those of ``importance``."""
        needed = ("fisher", *self.arguments) if self.importance else ()
        return tuple(e for e in ESTIMATES if e in needed)

    @property
    def numbers(self) -> tuple[str, ...]:
        """The numbers of the arm's section of params.yaml that ``importance`` asks for."""
        return tuple(a for a in self.arguments if a not in ESTIMATES)


BASELINE = "none"
"""The arm that all others are compared with."""

DEFAULT = "default"
"""In a list of arms of params.yaml: those which the table marks for the comparison."""

# Colours tell twelve arms of one figure apart for any kind of colour vision (tests/test_arms.py).
_ENTRIES = (
    Arm(
        name="none",
        title="no remedy",
        colour="#444444",
        marker="s",
        applies=TWO_MODELS + SPLIT + SEARCH,
        default=("shared", "split", "enas", "uniform", "nao", "full"),
    ),
    Arm(
        name="wpl",
        title="WPL",
        colour="#0072B2",
        marker="o",
        applies=TWO_MODELS + SEARCH,
        default=("shared", "enas", "uniform", "nao", "full"),
        importance=lambda fisher: fisher,
        section="wpl",
        reference=True,
    ),
    Arm(
        name="ewc",
        title="EWC",
        colour="#332288",
        marker="o",
        applies=SPLIT,
        default=("split",),
        # WPL where all weights are shared and the data is new (Kirkpatrick et al., 2017).
        importance=lambda fisher: fisher,
        reference=True,
    ),
    Arm(
        name="l2",
        title="uniform anchor (L2)",
        colour="#E69F00",
        marker="^",
        applies=TWO_MODELS + SPLIT + SEARCH,
        default=("shared", "split"),
        importance=lambda fisher: fisher.new_ones(fisher.shape),
        section="l2",
    ),
    Arm(
        name="frozen",
        title="shared layers frozen",
        colour="#BBBBBB",
        marker="D",
        applies=TWO_MODELS,
        default=("shared",),
        trains="private",
    ),
    Arm(
        name="joint",
        title="A and B together",
        colour="#117733",
        marker="P",
        applies=TWO_MODELS + SPLIT,
        default=("shared", "split"),
        trains="both",
    ),
    Arm(
        name="floor",
        title="WPL with a floor",
        colour="#00C2F9",
        marker="v",
        line="--",
        applies=TWO_MODELS,
        default=("headline",),
        importance=lambda fisher, floor: fisher + floor,
        section="floor",
    ),
    Arm(
        name="omega",
        title="exact Ω",
        colour="#8400CD",
        marker="X",
        applies=("headline",),
        default=("headline",),
        importance=lambda omega: omega,
        section="omega",
    ),
    Arm(
        name="si",
        title="synaptic intelligence",
        colour="#661100",
        marker="<",
        applies=TWO_MODELS + SPLIT,
        default=("headline", "split"),
        # Zenke, Poole, Ganguli, "Continual Learning Through Synaptic Intelligence" (2017), eq. 5;
        # no importance where the loss has risen, as in the authors' release.
        importance=lambda fall, moved, damping: fall.clamp(min=0) / (moved.square() + damping),
        section="si",
    ),
    Arm(
        name="mas",
        title="memory aware synapses",
        colour="#CC6677",
        marker=">",
        applies=TWO_MODELS + SPLIT,
        default=("headline", "split"),
        importance=lambda mas: mas,
        section="mas",
    ),
    Arm(
        name="wpl_decay",
        title="WPL, α decaying",
        colour="#008DF9",
        marker="v",
        line="--",
        applies=SEARCH,
        importance=lambda fisher: fisher,
        alpha_decays=True,
    ),
    Arm(
        name="slow",
        title="smaller learning rate",
        colour="#AA3377",
        marker="d",
        applies=SEARCH,
        default=("uniform",),
        slows=True,
    ),
    Arm(
        name="slow_wpl",
        title="smaller learning rate and WPL",
        colour="#AA3377",
        marker="o",
        line="--",
        applies=SEARCH,
        importance=lambda fisher: fisher,
        slows=True,
    ),
    Arm(
        name="replay",
        title="replay",
        colour="#117733",
        marker="X",
        applies=SEARCH,
        default=("uniform",),
        replays=True,
    ),
    Arm(
        name="replay_wpl",
        title="replay and WPL",
        colour="#117733",
        marker="o",
        line="--",
        applies=SEARCH,
        importance=lambda fisher: fisher,
        replays=True,
    ),
    Arm(
        name="fair",
        title="fair steps",
        colour="#999933",
        marker="<",
        applies=SEARCH,
        trains_together=True,
    ),
    Arm(
        name="fair_wpl",
        title="fair steps and WPL",
        colour="#999933",
        marker="o",
        line="--",
        applies=SEARCH,
        importance=lambda fisher: fisher,
        trains_together=True,
    ),
    Arm(
        name="wpl_gradient",
        title="WPL, clipped gradient",
        colour="#CC79A7",
        marker="h",
        applies=SEARCH,
        importance=lambda fisher: fisher,
        adds_gradient=True,
    ),
    Arm(
        name="drop_path",
        title="drop-path",
        colour="#D55E00",
        marker="P",
        applies=SEARCH,
        drops_paths=True,
    ),
)

ARMS = {arm.name: arm for arm in _ENTRIES}
"""Every arm by its name, in the order in which tables and legends list them."""

TITLES = {arm.name: arm.title for arm in _ENTRIES}
"""Every arm's title by its name."""

COLOURS = {arm.name: arm.colour for arm in _ENTRIES}
"""Every arm's colour by its name."""


def applicable(comparison: Comparison) -> list[str]:
    """List the arms that can take part in a comparison.

    Args:
        comparison: One of them.

    Returns:
        Their names, in the order of the table.
    """
    return [arm.name for arm in _ENTRIES if comparison in arm.applies]


def chosen(arms: Iterable[str], comparison: Comparison) -> list[str]:
    """List the arms that take part in a comparison, as params.yaml says.

    Args:
        arms: Their names; ``default`` stands for those which the table marks.
        comparison: One of them.

    Returns:
        Their names, in the order of the table.
    """
    some = {*arms}
    marked = comparison if DEFAULT in some else None
    return [arm.name for arm in _ENTRIES if arm.name in some or marked in arm.default]


def check_arms(
    key: str, arms: Iterable[str], comparison: Comparison, *, baseline: bool = True
) -> None:
    """Check a list of arms of params.yaml.

    Args:
        key: Of params.yaml.
        arms: As for ``chosen``.
        comparison: Likewise.
        baseline: Whether the arm that others are compared with must be there, if any is.

    Raises:
        ValueError: If an arm is unknown or cannot take part, or if the baseline is missing.
    """
    there = [*arms]
    valid = [DEFAULT, *applicable(comparison)]
    for name in there:
        if name not in valid:
            near = difflib.get_close_matches(name, valid, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"{key}: {name!r} is not one of the arms {', '.join(valid)}{hint}")
    if baseline and there and BASELINE not in chosen(there, comparison):
        raise ValueError(
            f"{key}: {BASELINE!r} must be one of the arms: others are compared with it"
        )


def in_order(arms: Iterable[str]) -> list[str]:
    """List some arms, each once, in the order of the table.

    Args:
        arms: Their names, for example a column of a table.

    Returns:
        The names.
    """
    some = set(arms)
    return [name for name in ARMS if name in some]
