"""Compare arms where they protect the first model equally: what does the second one learn?

At one strength α, one arm may hold the shared weights more firmly than another: it keeps more of A,
and B learns less. So each arm's trade-off over its strengths is read off where A keeps the same.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from wpl_lab.arm_choice import BASELINE
from wpl_lab.two_models.second_model_effects import Floats


@dataclass(frozen=True)
class TradeOff:
    """What is kept of A and what B learns, over the strength of an arm; from no remedy on.

    Attributes:
        alphas: Strengths, from 0 upwards ``(strength)``.
        after: Accuracy of A after B ``(strength, seed)``.
        second: Accuracy of B ``(strength, seed)``.
    """

    alphas: Floats
    after: Floats
    second: Floats


@dataclass(frozen=True)
class Reached:
    """Where the trade-off of an arm reaches a retention.

    Attributes:
        alpha: The strength at which it does, interpolated.
        second: Accuracy of B there ``(seed)``.
    """

    alpha: float
    second: Floats


def trade_off(scores: pd.DataFrame, arm: str, alphas: set[float]) -> TradeOff:
    """Collect the runs of an arm in one case, and of the baseline as the strength 0.

    Args:
        scores: As from ``final_scores``, of one case.
        arm: One with strengths.
        alphas: Those to use.

    Returns:
        The trade-off.
    """
    none = scores[scores["arm"] == BASELINE].assign(alpha=0.0)
    own = scores[(scores["arm"] == arm) & scores["alpha"].isin(alphas)]
    wide = pd.concat([none, own]).pivot(index="alpha", columns="seed", values=["after", "second"])
    return TradeOff(wide.index.to_numpy(), wide["after"].to_numpy(), wide["second"].to_numpy())


def at_retention(of: TradeOff, after: float) -> Reached | None:
    """Interpolate a trade-off where the mean over seeds first reaches a retention.

    Between two strengths, accuracies are linear. A seed that keeps more of A there than the mean
    over seeds would have learnt more of B at the retention asked for, and one that keeps less
    would have learnt less: its B is moved along the slope of the mean trade-off. So the values
    carry the noise of both accuracies to first order, and can be tested as paired scores.

    Args:
        of: The trade-off of an arm.
        after: The accuracy of A after B to reach.

    Returns:
        The point; None if no strength reaches it, or if no remedy is needed to.
    """
    means = of.after.mean(1)
    crossings = np.flatnonzero((means[:-1] < after) & (means[1:] >= after))
    if not len(crossings) or means[0] >= after:
        return None
    low, high = crossings[0], crossings[0] + 1
    share = (after - means[low]) / (means[high] - means[low])
    kept, second = ((1 - share) * v[low] + share * v[high] for v in (of.after, of.second))
    slope = (of.second[high] - of.second[low]).mean() / (means[high] - means[low])
    return Reached(
        _between(of.alphas[low], of.alphas[high], share), second - slope * (kept - after)
    )


def _between(low: float, high: float, share: float) -> float:
    """Interpolate a strength, by its logarithm unless the lower one is 0."""
    if low == 0:
        return float(share * high)
    return float(low ** (1 - share) * high**share)
