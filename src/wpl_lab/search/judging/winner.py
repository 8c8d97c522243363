"""What a search has found."""

import pandas as pd


def best_candidate(scores: pd.DataFrame) -> pd.Series:
    """Pick the row of the candidate that a search likes best, by its shared-weight score."""
    drawn = scores[scores["candidates"] > 0]
    return drawn.loc[drawn["cross_entropy"].idxmin()]
