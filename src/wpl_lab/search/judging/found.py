"""What the searches found: its true rank and regret, and those of random search."""

import numpy as np
import pandas as pd

from wpl.ranking import expected_best_of
from wpl_lab.search.judging.keys import RUN
from wpl_lab.search.judging.truth import truth_of
from wpl_lab.search.judging.winner import best_candidate


def found(scores: pd.DataFrame) -> pd.DataFrame:
    """Pick the best candidate of each run.

    Args:
        scores: Rows of ``score``, with the columns of a run.

    Returns:
        One row per run: genotype, cross-entropy with shared weights, work of the search.
    """
    best = [best_candidate(of_run) for _, of_run in scores.groupby(RUN, sort=False)]
    return pd.DataFrame(best)[[*RUN, "genotype", "cross_entropy", "work"]].reset_index(drop=True)


def against_truth(winners: pd.DataFrame, alone: pd.DataFrame, short: pd.DataFrame) -> pd.DataFrame:
    """Compute the true rank and regret of the found architectures and of random search.

    Random search trains k architectures alone and takes the one with the best validation score. It
    trains each for as many batches as the search trains in one epoch; k is chosen so that its work
    equals that of the search. Neither depends on how long the truth was trained for. The result is
    an expectation over all draws of k architectures and over the training seeds.

    Args:
        winners: As returned by ``found``, for a space whose truth is known.
        alone: Rows of ``train_alone``, of every architecture of the space: the truth.
        short: The same, trained for the batches of one epoch of the search.

    Returns:
        ``winners`` with the rank in the truth (1 is best), the regret in nats, k, and the expected
        rank and regret of random search.
    """
    truth = truth_of(alone)
    regret, rank = truth - truth.min(), truth.rank(method="min")
    selects = short.pivot_table(index="seed", columns="genotype", values="select")[truth.index]

    def chance(k: int, of: pd.Series) -> float:
        return float(np.mean([expected_best_of(k, of, select) for select in selects.to_numpy()]))

    rows = []
    for run in winners.to_dict("records"):
        k = min(len(truth), max(1, round(run["work"] / short["work"].mean())))
        row = run | {"rank": rank[run["genotype"]], "regret": regret[run["genotype"]]}
        row |= {"random_k": k, "random_rank": chance(k, rank), "random_regret": chance(k, regret)}
        rows.append(row)
    return pd.DataFrame(rows)


def retrained(found: pd.DataFrame, random: pd.DataFrame) -> pd.DataFrame:
    """Compare what was found in the full space with random architectures, all trained alone.

    Args:
        found: Rows of ``train_alone`` for what each run found, with the columns of a run.
        random: Rows of ``train_alone`` for random architectures.

    Returns:
        One row per run: genotype, test error, and the mean test error of the random architectures
        of the same seed; no row if the full space was not searched.
    """
    if found.empty:
        names = [*RUN, "genotype", "test_error", "random_test_error"]
        return pd.DataFrame({name: pd.Series(dtype=float) for name in names})
    chance = random.groupby("seed")["test_error"].mean()
    return found[[*RUN, "genotype", "test_error"]].assign(
        random_test_error=found["seed"].map(chance)
    )
