"""Compare what the second model learns with arms that protect the first model equally.

At the same strength α, one arm may hold the shared weights more firmly than another, so that A
keeps more and B learns less. So the trade-offs of the arms over their strengths are compared where
the accuracy of A is the same.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from wpl_lab.arm_choice import BASELINE
from wpl_lab.two_models.second_model_effects import Floats


@dataclass(frozen=True)
class TradeOff:
    """Accuracies of A and B over the strengths of an arm, starting with no remedy.

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
    """The point where the trade-off of an arm reaches a retention.

    Attributes:
        alpha: The strength there, interpolated.
        second: Accuracy of B there ``(seed)``.
    """

    alpha: float
    second: Floats


def trade_off(scores: pd.DataFrame, arm: str, alphas: set[float]) -> TradeOff:
    """Collect the runs of an arm in one case, with the baseline as strength 0.

    Args:
        scores: As returned by ``final_scores``, for one case.
        arm: An arm with strengths.
        alphas: The strengths to use.

    Returns:
        The trade-off.
    """
    none = scores[scores["arm"] == BASELINE].assign(alpha=0.0)
    own = scores[(scores["arm"] == arm) & scores["alpha"].isin(alphas)]
    wide = pd.concat([none, own]).pivot(index="alpha", columns="seed", values=["after", "second"])
    return TradeOff(wide.index.to_numpy(), wide["after"].to_numpy(), wide["second"].to_numpy())


def at_retention(of: TradeOff, after: float) -> Reached | None:
    """Interpolate a trade-off where the mean over seeds first reaches a retention.

    Accuracies are interpolated linearly between strengths. A seed that keeps more of A there than
    the mean over seeds would have a higher accuracy of B at the retention asked for, and one that
    keeps less, a lower one: its B is corrected along the slope of the mean trade-off. So the values
    include the noise of both accuracies to first order, and can be tested as paired scores.

    Args:
        of: The trade-off of an arm.
        after: The accuracy of A after B to reach.

    Returns:
        The point; None if no strength reaches it, or if it is reached without a remedy.
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
    """Interpolate a strength, on a logarithmic scale unless the lower one is 0."""
    if low == 0:
        return float(share * high)
    return float(low ** (1 - share) * high**share)
