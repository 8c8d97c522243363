"""The columns that name a search, and how many of the best are looked at."""

CASE = ["space", "method"]
"""What is compared with each other: arms of one method in one space."""

RUN = [*CASE, "arm", "seed"]
"""One search. An arm at another strength than that of params.yaml is ``wpl@0.3``: see ``sweep``."""

BEST = 5
"""Number of best children, and of best architectures, that are looked at on their own (paper)."""
