"""The space of recurrent cells (Pham et al., "Efficient Neural Architecture Search", 2018)."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Activation = Literal["tanh", "relu", "sigmoid", "identity"]
ACTIVATIONS: tuple[Activation, ...] = get_args(Activation)


@dataclass(frozen=True, order=True)
class RecurrentGenotype:
    """The architecture of a recurrent cell.

    Node 0 combines the input with the previous hidden state. Each further node transforms the
    output of an earlier one, its predecessor. The loose ends, nodes that no other node uses, are
    averaged into the new hidden state.

    Attributes:
        nodes: For nodes 1, 2, …, the predecessor and the activation.
    """

    nodes: tuple[tuple[int, Activation], ...]

    def __post_init__(self) -> None:
        """Check the nodes.

        Raises:
            ValueError: If there is no node, a predecessor is not an earlier node, or an activation
                is unknown.
        """
        if not self.nodes:
            raise ValueError("a recurrent cell needs at least one node")
        for node, (predecessor, activation) in enumerate(self.nodes, start=1):
            if not 0 <= predecessor < node:
                raise ValueError(
                    f"the predecessor of node {node} must be one of 0 to {node - 1}; "
                    f"got {predecessor}"
                )
            if activation not in ACTIVATIONS:
                raise ValueError(
                    f"the activation of node {node} must be one of {', '.join(ACTIVATIONS)}; "
                    f"got {activation!r}"
                )

    def __str__(self) -> str:
        """Format it as ``parse`` reads it: ``0:tanh 1:relu``."""
        return " ".join(f"{predecessor}:{activation}" for predecessor, activation in self.nodes)

    @classmethod
    def parse(cls, text: str) -> "RecurrentGenotype":
        """Parse the text that ``str`` makes of a genotype.

        Returns:
            The genotype.

        Raises:
            ValueError: If the text is not a genotype.
        """
        nodes = []
        for word in text.split():
            predecessor, _, activation = word.partition(":")
            if not predecessor.isdecimal():
                raise ValueError(f"{text!r} is not a recurrent cell like '0:tanh 1:relu'")
            nodes.append((int(predecessor), activation))
        return cls(tuple(nodes))  # type: ignore[arg-type] # the constructor checks activations

    @property
    def loose_ends(self) -> tuple[int, ...]:
        """The nodes that no other node uses."""
        used = {predecessor for predecessor, _ in self.nodes}
        return tuple(i for i in range(len(self.nodes) + 1) if i not in used)


class RecurrentSpace:
    """All recurrent cells with a number of nodes.

    Attributes:
        nodes: Number of nodes after node 0.
        options: Number of choices of each decision of a controller, in order.
        roles: What each decision is about; the choices of decisions with one role mean the same.
    """

    def __init__(self, nodes: int) -> None:
        """Set up the decisions; node 1 has no choice of its predecessor."""
        self.nodes = nodes
        later = range(2, nodes + 1)
        self.options = [len(ACTIVATIONS)] + [n for i in later for n in (i, len(ACTIVATIONS))]
        self.roles = ["activation"] + [r for _ in later for r in ("predecessor", "activation")]

    @property
    def size(self) -> int:
        """Number of cells."""
        return math.prod(self.options)

    def decode(self, choices: Sequence[int]) -> RecurrentGenotype:
        """Make the cell of one choice for each decision."""
        predecessors = [0, *choices[1::2]]
        activations = [ACTIVATIONS[c] for c in choices[::2]]
        return RecurrentGenotype(tuple(zip(predecessors, activations, strict=True)))

    def cells(self) -> Iterator[RecurrentGenotype]:
        """Enumerate the cells, always in the same order."""
        for choices in itertools.product(*map(range, self.options)):
            yield self.decode(choices)

    def parse(self, text: str) -> RecurrentGenotype:
        """Parse a genotype of this space.

        Returns:
            The genotype.

        Raises:
            ValueError: If the text is not a genotype, or has another number of nodes.
        """
        genotype = RecurrentGenotype.parse(text)
        if len(genotype.nodes) != self.nodes:
            raise ValueError(f"expected {self.nodes} nodes; {text!r} has {len(genotype.nodes)}")
        return genotype
