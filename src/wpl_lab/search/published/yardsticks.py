"""Yardsticks for the measures of a search: scores that need no search, and random search."""

import itertools
import math

import numpy as np
import pandas as pd

from wpl.ranking import kendall, spearman
from wpl_lab.search.judging.truth import CEILING, CHANCE, of_means
from wpl_lab.search.published.measures import MEASURES, errors_of, measures
from wpl_lab.search.spaces.nasbench201 import Nasbench201Genotype
from wpl_lab.seeding import generator

PARAMETERS = "number of parameters"
PRODUCTS = "multiplications"
CONVOLUTIONS = "number of 3×3 convolutions"
MOST_DRAWN = 256
"""The largest number of trainings for which the regret of random search is computed."""
_REPEATS = 2000


def yardsticks(truth: pd.DataFrame, genotypes: list[str]) -> pd.DataFrame:
    """Measure scores that need no search, on each data set.

    Args:
        truth: As returned by ``truth_files``.
        genotypes: The architectures that are ranked.

    Returns:
        One row per data set and score, with the measures. The scores are the repeated truth, the
        number of parameters where it is known, two counts of operations, and chance.
    """
    rows = []
    for data in truth["data"].unique():
        errors = errors_of(truth, data)
        best = errors.min()
        judged = errors[genotypes]
        own = truth[truth["data"] == data].drop_duplicates("genotype").set_index("genotype")
        parsed = {genotype: Nasbench201Genotype.parse(genotype) for genotype in genotypes}
        scores = {
            PARAMETERS: -own.loc[genotypes, "parameters"].astype(float),
            PRODUCTS: -pd.Series({g: float(products(own)) for g, own in parsed.items()}),
            CONVOLUTIONS: -pd.Series(
                {g: float(own.operations.count("nor_conv_3x3")) for g, own in parsed.items()}
            ),
        }
        reached = {CEILING: made_again(truth, data, genotypes)}
        reached |= {
            name: measures(score, judged, best=best)
            for name, score in scores.items()
            if score.notna().all()
        }
        nothing = measures(pd.Series(0.0, index=genotypes), judged, best=best)
        reached[CHANCE] = nothing | {"tau": 0.0, "tau_top": 0.0, "rho": 0.0}
        rows += [{"data": data, "score": score} | of for score, of in reached.items()]
    return pd.DataFrame(rows)


def products(genotype: Nasbench201Genotype) -> int:
    """Count the multiplications of a cell per input channel, output channel and pixel.

    Edges that are not on a path to the output count as well: the benchmark computes them, too.

    Returns:
        The sum over the edges: 1 for a 1×1 convolution, 9 for a 3×3 convolution.
    """
    sizes = {"nor_conv_1x1": 1, "nor_conv_3x3": 9}
    return sum(sizes.get(operation, 0) for operation in genotype.operations)


def made_again(truth: pd.DataFrame, data: str, genotypes: list[str]) -> dict[str, float]:
    """Estimate how well the truth would agree with a repetition with as many other seeds.

    Only seeds with which every architecture was trained are used. τ and ρ between pairs of seeds
    are extrapolated to means over all seeds, as in ``judging.truth.made_again``. The other measures
    compare each seed with the mean of the others, which underestimates them slightly.

    Args:
        truth: As returned by ``truth_files``.
        data: The data set.
        genotypes: The architectures that are ranked.

    Returns:
        The measures; NaN with a single seed.
    """
    own = truth[(truth["data"] == data) & truth["genotype"].isin(genotypes)]
    errors = 100 - own.pivot_table(index="genotype", columns="seed", values="accuracy")
    errors = errors.loc[genotypes].dropna(axis="columns")
    count = errors.shape[1]
    if count < 2:
        return dict.fromkeys(MEASURES, math.nan)
    pairs = [(errors[a], errors[b]) for a, b in itertools.combinations(errors, 2)]
    tau = np.mean([kendall(a, b) for a, b in pairs])
    rho = np.mean([spearman(a, b) for a, b in pairs])
    held = []
    for seed in errors:
        others = errors.drop(columns=seed).mean(axis="columns")
        held.append(measures(errors[seed], others, best=others.min()))
    means: dict[str, float] = pd.DataFrame(held).mean().to_dict()
    return means | of_means(float(tau), float(rho), count)


def random_search(truth: pd.DataFrame, data: str) -> pd.Series:
    """Estimate the regret of random search, which trains k architectures and selects the best.

    It selects by the accuracy with the first seed; the regret is computed from the mean over
    seeds. The estimate is the mean over 2,000 random orders of the architectures, with a fixed
    random seed.

    Args:
        truth: As returned by ``truth_files``.
        data: The data set.

    Returns:
        The expected regret in points, by k, from 1 on.
    """
    own = truth[truth["data"] == data]
    errors = errors_of(truth, data)
    first = 100 - own.drop_duplicates("genotype").set_index("genotype")["accuracy"]
    regret, seen = (errors - errors.min()).to_numpy(), first[errors.index].to_numpy()
    most = min(MOST_DRAWN, len(errors))
    random = np.random.default_rng(generator(0, "published", "random search").initial_seed())
    drawn = np.stack([random.permutation(len(errors))[:most] for _ in range(_REPEATS)])
    of_drawn = seen[drawn]  # (repeat, k)
    lowest = np.minimum.accumulate(of_drawn, axis=1)
    new = np.where(of_drawn == lowest, np.arange(most), 0)
    taken = np.take_along_axis(drawn, np.maximum.accumulate(new, axis=1), axis=1)
    return pd.Series(regret[taken].mean(0), index=pd.RangeIndex(1, most + 1, name="k"))


def trainings_worth(work: float, truth: pd.DataFrame, data: str) -> float:
    """Compute the cost of a search in trainings of the benchmark.

    A search costs as many seconds as its images would take at the mean time per image in the
    benchmark; a training has the mean duration.

    Args:
        work: Number of predictions of the search; one in training counts as three.
        truth: As returned by ``truth_files``.
        data: The data set.

    Returns:
        The number, which may be below 1; NaN if seconds or images are not known.
    """
    own = truth[truth["data"] == data]
    per_image = (own["seconds"] / own["images"]).mean()
    return float(work / 3 * per_image / own["seconds"].mean())
