"""The columns that identify a search, and the k of the measures among the best."""

CASE = ["space", "method"]
"""Columns of a case: arms are compared within one method and one space."""

RUN = [*CASE, "arm", "seed"]
"""Columns of a run. An arm at another strength than in params.yaml is ``wpl@0.3``: see
``sweep``."""

BEST = 5
"""Number of best children, and of best architectures, with measures of their own (as in the
paper)."""
