"""The space of NAS-Bench-201 (Dong and Yang, 2020): cells with operations on six edges."""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Operation = Literal["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]
OPERATIONS: tuple[Operation, ...] = get_args(Operation)
"""The operations, in the order of their digits in the published tables."""

Edge = tuple[int, int]
EDGES: tuple[Edge, ...] = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""The edges from node to node, in the order of the six operations of an architecture."""
INPUT, OUTPUT = 0, 3

_CELL = re.compile(r"\|(\w+)~0\|\+\|(\w+)~0\|(\w+)~1\|\+\|(\w+)~0\|(\w+)~1\|(\w+)~2\|")


@dataclass(frozen=True, order=True)
class Nasbench201Genotype:
    """The architecture of all cells of a network.

    A node is the sum of the operations on its incoming edges, applied to earlier nodes; node 0 is
    the input of the cell, node 3 its output.

    Attributes:
        operations: The operations on ``EDGES``.
    """

    operations: tuple[Operation, ...]

    def __post_init__(self) -> None:
        """Check the operations.

        Raises:
            ValueError: If there is not one known operation for each edge.
        """
        if len(self.operations) != len(EDGES):
            raise ValueError(
                f"a cell of NAS-Bench-201 has {len(EDGES)} operations; got {self.operations}"
            )
        for operation in self.operations:
            if operation not in OPERATIONS:
                raise ValueError(
                    f"an operation must be one of {', '.join(OPERATIONS)}; got {operation!r}"
                )

    def __str__(self) -> str:
        """Return the notation of the benchmark: ``|none~0|+|none~0|none~1|+|…``."""
        return "+".join(
            "".join(f"|{self.on[(source, node)]}~{source}" for source in range(node)) + "|"
            for node in range(1, OUTPUT + 1)
        )

    @classmethod
    def parse(cls, text: str) -> "Nasbench201Genotype":
        """Parse the result of ``str``, or six digits as in the published tables: ``333133``.

        Returns:
            The genotype.

        Raises:
            ValueError: If the text is neither of them.
        """
        if re.fullmatch(r"[0-4]{6}", text):
            return cls(tuple(OPERATIONS[int(digit)] for digit in text))
        found = re.fullmatch(_CELL, text)
        if found is None:
            example = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"
            raise ValueError(f"{text!r} is not a cell of NAS-Bench-201 like {example!r} or 300104")
        return cls(found.groups())  # type: ignore[arg-type] # the constructor checks

    @property
    def on(self) -> dict[Edge, Operation]:
        """The operation on each edge."""
        return dict(zip(EDGES, self.operations, strict=True))

    @property
    def digits(self) -> str:
        """The six digits of the published tables."""
        return "".join(str(OPERATIONS.index(operation)) for operation in self.operations)

    @property
    def edges(self) -> tuple[Edge, ...]:
        """The edges on paths from input to output, in order; none if there is no path."""
        open_edges = [edge for edge, operation in self.on.items() if operation != "none"]
        reached, leading = {INPUT}, {OUTPUT}
        for source, node in open_edges:  # edges to the source come before this edge
            reached |= {node} if source in reached else set()
        for source, node in reversed(open_edges):
            leading |= {source} if node in leading else set()
        return tuple(e for e in open_edges if e[0] in reached and e[1] in leading)


class Nasbench201Space:
    """The space of all cells with given operations.

    Attributes:
        operations: The possible operations of an edge.
        options: Number of choices of each decision of a controller, in order.
        roles: The kind of each decision; decisions of one role have the same meaning.
    """

    def __init__(self, operations: Sequence[Operation] = OPERATIONS) -> None:
        """Describe the decisions: an operation for each edge."""
        self.operations = tuple(operations)
        self.options = [len(self.operations)] * len(EDGES)
        self.roles = ["operation"] * len(EDGES)

    @property
    def size(self) -> int:
        """Number of architectures."""
        return int(len(self.operations) ** len(EDGES))

    def decode(self, choices: Sequence[int]) -> Nasbench201Genotype:
        """Make the architecture from one choice for each edge."""
        return Nasbench201Genotype(tuple(self.operations[choice] for choice in choices))

    def cells(self) -> Iterator[Nasbench201Genotype]:
        """Enumerate the architectures, always in the same order."""
        return map(Nasbench201Genotype, itertools.product(self.operations, repeat=len(EDGES)))

    def parse(self, text: str) -> Nasbench201Genotype:
        """Parse a genotype of this space.

        Returns:
            The genotype.

        Raises:
            ValueError: If the text is not a genotype, or belongs to another space.
        """
        genotype = Nasbench201Genotype.parse(text)
        if foreign := {*genotype.operations} - {*self.operations}:
            raise ValueError(
                f"expected operations {', '.join(self.operations)}; {text!r} has {min(foreign)}"
            )
        return genotype
