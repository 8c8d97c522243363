"""Types of settings: numbers with their ranges."""

from typing import Annotated

from annotated_types import Ge, Gt, Le, Lt

Count = Annotated[int, Ge(1)]
CountOrZero = Annotated[int, Ge(0)]
Several = Annotated[int, Ge(2)]
Seed = Annotated[int, Ge(0), Lt(2**63)]
Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Share = Annotated[float, Gt(0), Lt(1)]
"""A share in (0, 1)."""
Weight = Annotated[float, Ge(0), Le(1)]
"""A share in [0, 1]."""
Factor = Annotated[float, Gt(0), Le(1)]
"""A factor in (0, 1]."""
Probability = Annotated[float, Ge(0), Lt(1)]
"""A dropout probability in [0, 1)."""
