"""What an arm is: a method on the weights that models share. ``arms.py`` lists them.

It does not load torch: rules and figures read it, too.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

Comparison = Literal["shared", "headline", "split", "enas", "uniform", "nao", "full"]
"""What arms take part in. ``shared``: two models, for every number of shared layers; ``headline``:
two models, for one number only; ``split``: one network, half of the classes after the other;
``enas``, ``uniform``, ``nao``: searches of a small space by that method; ``full``: searches of a
large space."""

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
