"""Types of settings: numbers and their ranges."""

from typing import Annotated

from annotated_types import Ge, Gt, Le, Lt

Count = Annotated[int, Ge(1)]
CountOrZero = Annotated[int, Ge(0)]
Several = Annotated[int, Ge(2)]
Seed = Annotated[int, Ge(0), Lt(2**63)]
Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Share = Annotated[float, Gt(0), Lt(1)]
"""A proper part of a whole: neither nothing nor all of it."""
Weight = Annotated[float, Ge(0), Le(1)]
"""A part of a whole, nothing and all of it included."""
Factor = Annotated[float, Gt(0), Le(1)]
"""A factor that does not enlarge."""
Probability = Annotated[float, Ge(0), Lt(1)]
"""A probability of dropping something: not everything is dropped."""
