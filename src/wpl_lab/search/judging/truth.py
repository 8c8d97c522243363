"""The ground truth (each architecture's score when trained alone), and how reliable it is.

Every measure of a search is read against two yardsticks: the ceiling, which a repetition of the
ground truth with other seeds would reach; and the best trivial score, a count of one operation.
"""

import itertools
import math
import re

import pandas as pd

from wpl_lab.search.judging.agreement import MEASURES, agreement

CEILING = "repeated truth"
PAIR = "one seed of the truth"
LONGER = "truth trained twice as long"
BOUND = "best count"
CHANCE = "chance"
LOWER_IS_BETTER = ("regret",)


def truth_of(alone: pd.DataFrame) -> pd.Series:
    """Average the test cross-entropy of architectures trained alone over seeds, by genotype."""
    return alone.groupby("genotype", sort=False)["test"].mean()


def yardsticks(alone: pd.DataFrame, longer: pd.DataFrame) -> pd.DataFrame:
    """Measure scores that need no search.

    Args:
        alone: Rows of ``train_alone``, for every architecture of the space and several seeds.
        longer: The same, trained for twice as long, perhaps with fewer seeds; may be empty.

    Returns:
        One row per score, columns ``score``, ``note``, the measures of ``agreement`` and the
        regret of the architecture with the best score, in nats: for the repeated truth, one of its
        seeds against another, the truth trained longer, the best count, chance, and each of the
        counts.
    """
    truth = truth_of(alone)
    counts = {
        name: agreement(score, truth) | {"regret": regret(score, truth)}
        for name, score in trivial_scores(alone).items()
    }
    rows = {CEILING: made_again(alone), CHANCE: chance(truth), **counts}
    if alone["seed"].nunique() > 1:
        rows[PAIR] = between_seeds(alone)
    if not longer.empty:
        score = truth_of(longer)
        rows[LONGER] = agreement(score, truth) | {"regret": regret(score, truth)}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("score")
    of_counts = table.loc[list(counts)]
    best = {
        measure: of_counts[measure].min()
        if measure in LOWER_IS_BETTER
        else of_counts[measure].max()
        for measure in table
    }
    table.loc[BOUND] = best
    first = [name for name in (CEILING, PAIR, LONGER, BOUND, CHANCE) if name in table.index]
    return table.loc[[*first, *counts]].reset_index()


def regret(score: pd.Series, truth: pd.Series) -> float:
    """Compute how much worse than the best architecture the one with the best score is.

    Args:
        score: By genotype; lower is better, and ties are broken at random.
        truth: By genotype, in nats.

    Returns:
        The expected difference in nats.
    """
    return float(truth[score.index[score == score.min()]].mean() - truth.min())


def made_again(alone: pd.DataFrame) -> dict[str, float]:
    """Estimate how well the truth would agree with a repetition with as many other seeds.

    τ and ρ between single seeds are extrapolated to means over m seeds by the Spearman-Brown
    formula, r_m = m r / (1 + (m − 1) r), applied to the correlation r = sin(π τ / 2) =
    2 sin(π ρ / 6) of a normal distribution. The other measures compare one seed with the mean of
    the others, which is slightly too low.

    Args:
        alone: Rows of ``train_alone``, for every architecture of the space and several seeds.

    Returns:
        The measures of ``agreement``, and the regret; NaN with a single seed.
    """
    tests = alone.pivot_table(index="genotype", columns="seed", values="test", sort=False)
    seeds = list(tests)
    if len(seeds) == 1:
        return dict.fromkeys((*MEASURES, "regret"), math.nan)
    single = between_seeds(alone)
    held = []
    for seed in seeds:
        others = tests.drop(columns=seed).mean(axis=1)
        held.append(agreement(tests[seed], others) | {"regret": regret(tests[seed], others)})
    count = len(seeds)
    means: dict[str, float] = pd.DataFrame(held).mean().to_dict()
    return means | of_means(single["tau"], single["rho"], count)


def of_means(tau: float, rho: float, count: int) -> dict[str, float]:
    """Extrapolate rank correlations of single repetitions to those of means; see ``made_again``.

    Args:
        tau: Kendall's τ between single repetitions.
        rho: Spearman's ρ between them.
        count: Number of repetitions in each mean.

    Returns:
        ``tau`` and ``rho`` between two means.
    """
    of_tau = spearman_brown(math.sin(math.pi * tau / 2), count)
    of_rho = spearman_brown(2 * math.sin(math.pi * rho / 6), count)
    return {"tau": 2 / math.pi * math.asin(of_tau), "rho": 6 / math.pi * math.asin(of_rho / 2)}


def spearman_brown(correlation: float, count: int) -> float:
    """Compute the correlation of two means of repetitions from that of single repetitions.

    Args:
        correlation: Between single repetitions; a negative one is returned unchanged.
        count: Number of repetitions in each mean.

    Returns:
        m r / (1 + (m − 1) r) (Spearman, 1910; Brown, 1910).
    """
    if correlation <= 0:
        return correlation
    return count * correlation / (1 + (count - 1) * correlation)


def between_seeds(alone: pd.DataFrame) -> dict[str, float]:
    """Measure how well the seeds of the truth agree, each held against each other one.

    Args:
        alone: Rows of ``train_alone``, of every architecture of the space and several seeds.

    Returns:
        The measures of ``agreement``, and the regret: means over the ordered pairs of seeds.
    """
    tests = alone.pivot_table(index="genotype", columns="seed", values="test", sort=False)
    pairs = [(tests[a], tests[b]) for a, b in itertools.permutations(tests, 2)]
    held = [agreement(a, b) | {"regret": regret(a, b)} for a, b in pairs]
    means: dict[str, float] = pd.DataFrame(held).mean().to_dict()
    return means


def chance(truth: pd.Series) -> dict[str, float]:
    """Compute the expected measures of a random score."""
    nothing = pd.Series(0.0, index=truth.index)  # all equal: ties are broken at random
    measures = agreement(nothing, truth) | {"regret": regret(nothing, truth)}
    return measures | {"tau": 0.0, "tau_top": 0.0, "rho": 0.0}


def trivial_scores(alone: pd.DataFrame) -> dict[str, pd.Series]:
    """Make scores from the genotype alone: the count of each operation, and the size.

    Returns:
        By a description of the best, ``most relu`` or ``fewest relu``, a score for each genotype;
        only scores that differ between architectures.
    """
    weights = alone.drop_duplicates("genotype").set_index("genotype")["parameters"]
    words = {genotype: re.findall(r"[a-z]\w*", genotype) for genotype in weights.index}
    names = sorted({word for of_genotype in words.values() for word in of_genotype})
    counts = {
        name: pd.Series({genotype: float(w.count(name)) for genotype, w in words.items()})
        for name in names
    }
    counts["parameters"] = weights.astype(float)
    return {
        f"{which} {name}": sign * count
        for name, count in counts.items()
        if count.nunique() > 1
        for which, sign in (("most", -1), ("fewest", 1))
    }
