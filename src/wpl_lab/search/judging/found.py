"""What the searches found: its rank and regret in the truth, beside what random search finds."""

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
    """Say how good the found architectures are, and what random search finds for the same work.

    Random search trains k architectures alone and takes the one that validation data likes best. It
    trains each for as many batches as the search trains in one epoch, and k so many that the work
    is that of the search: neither depends on how long the truth was trained for. Its result is an
    expectation over all draws of k and over the seeds of the training.

    Args:
        winners: As from ``found``, of a space whose truth is known.
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
    """Set what was found in the full space beside random architectures, all trained alone alike.

    Args:
        found: Rows of ``train_alone`` of what each run found, with the columns of a run.
        random: Rows of ``train_alone`` of random architectures.

    Returns:
        One row per run: genotype, test error, and the mean test error of the random ones of the
        same seed; no row if the full space was not searched.
    """
    if found.empty:
        names = [*RUN, "genotype", "test_error", "random_test_error"]
        return pd.DataFrame({name: pd.Series(dtype=float) for name in names})
    chance = random.groupby("seed")["test_error"].mean()
    return found[[*RUN, "genotype", "test_error"]].assign(
        random_test_error=found["seed"].map(chance)
    )
