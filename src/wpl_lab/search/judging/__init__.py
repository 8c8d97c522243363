"""What the searches found, held against the truth and against random search."""

RUN = ["space", "method", "arm", "seed"]
"""The columns that name a search. An arm at another strength than that of params.yaml is called
``wpl@0.3``: see ``sweep``."""

BEST = 5
"""Number of best children, and of best architectures, that are looked at on their own (paper)."""
