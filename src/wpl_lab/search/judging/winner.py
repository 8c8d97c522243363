"""What a search has found."""

import pandas as pd


def best_candidate(scores: pd.DataFrame) -> pd.Series:
    """Select the row of the candidate with the best shared-weight score."""
    drawn = scores[scores["candidates"] > 0]
    return drawn.loc[drawn["cross_entropy"].idxmin()]
