"""Definition of an arm, a method on the weights that models share. ``arms.py`` lists all arms.

This module does not load torch, as rules and figures import it, too.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

Comparison = Literal["shared", "headline", "split", "enas", "uniform", "nao", "full"]
"""Comparisons of arms. ``shared``: two models, for every number of shared layers; ``headline``: two
models, for one number of shared layers; ``split``: one network, first one half of the classes, then
the other; ``enas``, ``uniform``, ``nao``: searches of a small space by that method; ``full``:
searches of a large space."""

Estimate = Literal["fisher", "fall", "moved", "mas", "omega"]
"""Estimates for the shared weights of a trained model, for each tensor: ``fisher``, the diagonal
Fisher information; ``fall`` and ``moved``, the path integral of synaptic intelligence and the
distance from the initial weights; ``mas``, the sensitivity of the output; and ``omega``, one matrix
for all weights together. Searches have ``fisher`` only."""
ESTIMATES: tuple[Estimate, ...] = ("fisher", "fall", "moved", "mas", "omega")


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A method on shared weights.

    Attributes:
        name: Name in params.yaml, file names and tables.
        title: Title in figures and findings.
        colour: Colour in all figures.
        marker: Marker in all figures, as in Matplotlib.
        line: Line style in all figures, as in Matplotlib.
        applies: The comparisons that it can take part in.
        default: The comparisons in which it is part of ``default`` in params.yaml.
        importance: A function that computes the importance of the weights of a tensor, with which
            their anchor is weighted; None for an arm without an anchor. Its arguments are
            estimates, by their names, each in the shape of the weights, and numbers of the arm's
            section of params.yaml. Only the proportions matter: all importances are scaled to the
            mean of the Fisher information.
        section: Section of params.yaml with the strength ``alpha`` for two models, and with the
            numbers that ``importance`` takes. A search has one strength for all arms.
        trains: What is trained as the second of two models: ``second``, that model; ``private``,
            its private weights; ``both``, both models, on the sum of their losses.
        alpha_decays: In a search, α decays linearly in the later epochs.
        drops_paths: In a search, operations are dropped at random while a child is trained.
        slows: In a search, the learning rate is smaller after the warm-up.
        replays: In a search, every second batch trains an earlier child.
        trains_together: In a search, several children are trained together, with steps on their
            mean loss.
        adds_gradient: In a search, the gradient of the penalty is added to that of the loss, as in
            the paper, instead of taking a proximal step.
        reference: Whether it is the method under study: primary claims are about it, and other
            arms are compared with it.
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
        """Style of its line, as keyword arguments for Matplotlib."""
        return {
            "color": self.colour,
            "marker": self.marker,
            "linestyle": self.line,
            "label": self.title,
        }

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names of the arguments of ``importance``."""
        return tuple(inspect.signature(self.importance).parameters) if self.importance else ()

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """The estimates that its anchor needs: F, for the scale, and those in ``arguments``."""
        needed = ("fisher", *self.arguments) if self.importance else ()
        return tuple(e for e in ESTIMATES if e in needed)

    @property
    def numbers(self) -> tuple[str, ...]:
        """The numbers of the arm's section of params.yaml that ``importance`` takes."""
        return tuple(a for a in self.arguments if a not in ESTIMATES)
