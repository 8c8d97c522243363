"""The space of convolutional cells (Pham et al., 2018: the micro search space of ENAS)."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Operation = Literal["identity", "sep3", "sep5", "avg3", "max3"]
OPERATIONS: tuple[Operation, ...] = get_args(Operation)

Branch = tuple[int, Operation]
Node = tuple[Branch, Branch]
Cell = tuple[Node, ...]


@dataclass(frozen=True, order=True)
class ConvolutionalGenotype:
    """The architecture of a normal cell, and of a reduction cell, which halves the image.

    States 0 and 1 of a cell are the outputs of the two cells before it, the older one first. Each
    node adds the results of two operations, each on any earlier state. The loose ends, states that
    no node uses, inputs included, are concatenated into the output. The two branches of a node are
    kept sorted, as their order has no meaning.

    Attributes:
        normal: For nodes 2, 3, …, the two branches: state and operation.
        reduction: The same.
    """

    normal: Cell
    reduction: Cell

    def __post_init__(self) -> None:
        """Check the cells, and sort the branches of each node.

        Raises:
            ValueError: If a cell has no node, a state is not an earlier one, or an operation is
                unknown.
        """
        for name in ("normal", "reduction"):
            cell = getattr(self, name)
            if not cell:
                raise ValueError(f"a {name} cell needs at least one node")
            for node, branches in enumerate(cell, start=2):
                _check(name, node, branches)
            object.__setattr__(self, name, tuple(tuple(sorted(node)) for node in cell))

    def __str__(self) -> str:
        """Format it as ``parse`` reads it: ``0:sep3+1:identity 0:max3+2:sep5 / …``."""
        return " / ".join(
            " ".join("+".join(f"{state}:{name}" for state, name in node) for node in cell)
            for cell in (self.normal, self.reduction)
        )

    @classmethod
    def parse(cls, text: str) -> "ConvolutionalGenotype":
        """Parse the text that ``str`` makes of a genotype.

        Returns:
            The genotype.

        Raises:
            ValueError: If the text is not a genotype.
        """
        try:
            normal, reduction = (
                tuple(tuple(_branch(b) for b in node.split("+")) for node in cell.split())
                for cell in text.split("/")
            )
        except ValueError as error:
            example = "0:sep3+1:avg3 / 0:max3+1:sep5"
            raise ValueError(
                f"{text!r} is not a pair of convolutional cells like {example!r}"
            ) from error
        return cls(normal, reduction)  # type: ignore[arg-type] # the constructor checks

    @staticmethod
    def loose_ends(cell: Cell) -> tuple[int, ...]:
        """List the states of a cell that no node uses."""
        used = {state for node in cell for state, _ in node}
        return tuple(i for i in range(len(cell) + 2) if i not in used)


def _check(cell: str, node: int, branches: Sequence[Branch]) -> None:
    if len(branches) != 2:
        raise ValueError(f"node {node} of the {cell} cell must have 2 branches; got {branches}")
    for state, operation in branches:
        if not 0 <= state < node:
            raise ValueError(
                f"a state of node {node} of the {cell} cell must be one of 0 to {node - 1}; "
                f"got {state}"
            )
        if operation not in OPERATIONS:
            raise ValueError(
                f"an operation of node {node} of the {cell} cell must be one of "
                f"{', '.join(OPERATIONS)}; got {operation!r}"
            )


def _branch(text: str) -> tuple[int, str]:
    state, operation = text.split(":")
    return int(state), operation


class ConvolutionalSpace:
    """All pairs of a normal and a reduction cell with a number of nodes, or of two equal cells.

    Attributes:
        nodes: Number of nodes of a cell.
        alike: Whether the reduction cell has the same architecture as the normal cell.
        operations: Operations that a branch may have.
        options: Number of choices of each decision of a controller, in order.
        roles: What each decision is about; the choices of decisions with one role mean the same.
    """

    def __init__(
        self, nodes: int, *, alike: bool, operations: Sequence[Operation] = OPERATIONS
    ) -> None:
        """Set up the decisions: for each node two states and two operations.

        Args:
            nodes: As the attribute.
            alike: As the attribute.
            operations: As the attribute.
        """
        self.nodes, self.alike, self.operations = nodes, alike, tuple(operations)
        cells = 1 if alike else 2
        branches = [node for node in range(2, nodes + 2) for _ in range(2)] * cells
        self.options = [n for states in branches for n in (states, len(operations))]
        self.roles = ["state", "operation"] * len(branches)

    @property
    def size(self) -> int:
        """Number of architectures; choices that differ only in the order of branches count once."""
        branches = [states * len(self.operations) for states in self.options[::4]]
        return math.prod(n * (n + 1) // 2 for n in branches)

    def decode(self, choices: Sequence[int]) -> ConvolutionalGenotype:
        """Make the architecture of one choice for each decision."""
        pairs = zip(choices[::2], choices[1::2], strict=True)
        branches = [(state, self.operations[operation]) for state, operation in pairs]
        nodes = tuple(zip(branches[::2], branches[1::2], strict=True))
        return ConvolutionalGenotype(nodes[: self.nodes], nodes[-self.nodes :])

    def cells(self) -> Iterator[ConvolutionalGenotype]:
        """Enumerate the architectures, always in the same order."""
        nodes = [
            list(itertools.combinations_with_replacement(self._branches(states), 2))
            for states in self.options[::4]
        ]
        for chosen in itertools.product(*nodes):
            yield ConvolutionalGenotype(chosen[: self.nodes], chosen[-self.nodes :])

    def parse(self, text: str) -> ConvolutionalGenotype:
        """Parse a genotype of this space.

        Returns:
            The genotype.

        Raises:
            ValueError: If the text is not a genotype, or is one of another space.
        """
        genotype = ConvolutionalGenotype.parse(text)
        for name, cell in (("normal", genotype.normal), ("reduction", genotype.reduction)):
            if len(cell) != self.nodes:
                raise ValueError(
                    f"expected {self.nodes} nodes; the {name} cell of {text!r} has {len(cell)}"
                )
        known = {name for node in genotype.normal + genotype.reduction for _, name in node}
        if foreign := known - set(self.operations):
            raise ValueError(
                f"expected operations {', '.join(self.operations)}; {text!r} has {min(foreign)}"
            )
        if self.alike and genotype.normal != genotype.reduction:
            raise ValueError(f"expected two cells alike; {text!r} has different ones")
        return genotype

    def _branches(self, states: int) -> list[Branch]:
        return list(itertools.product(range(states), sorted(self.operations)))
