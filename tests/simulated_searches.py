"""Simulated tables of searches, drawn from a model with known effects."""

import itertools

import numpy as np
import pandas as pd

OPERATIONS = ("tanh", "relu", "sigmoid")
GENOTYPES = [f"0:{a} {i}:{b}" for a, i, b in itertools.product(OPERATIONS, (0, 1), OPERATIONS)]
QUALITY = {genotype: 0.1 * i for i, genotype in enumerate(GENOTYPES)}
FORGETTING = {"none": 0.09, "wpl": 0.02, "l2": 0.02, "slow": 0.05, "replay": 0.02}
EPOCHS, CHILDREN = 4, 5


def runs(arms=("none", "wpl"), seeds=range(6), spaces=("small",), methods=("enas",)):
    """List the searches, each as the columns that identify it."""
    keys = ("space", "method", "arm", "seed")
    return [
        dict(zip(keys, key, strict=True)) for key in itertools.product(spaces, methods, arms, seeds)
    ]


def children(of_runs, *, diverged=()):
    """Simulate children: err1 is equal in all arms of a seed, err2 adds the arm's forgetting."""
    rows = []
    for run in of_runs:
        random = np.random.default_rng(run["seed"])
        lost = FORGETTING[run["arm"].partition("@")[0]]
        for epoch, child in itertools.product(range(EPOCHS), range(CHILDREN)):
            later = CHILDREN - 1 - child
            err1 = 4 - 0.1 * epoch + 0.01 * random.normal()
            err2 = err1 + lost * (later > 0) * (1 + 0.1 * random.normal())
            row = run | {"epoch": epoch, "child": child, "later": later, "work": 100 * (epoch + 1)}
            row |= {"genotype": GENOTYPES[child], "reward": 1.0, "loss": err1, "diverged": False}
            row |= {"err1": err1, "err2": err2, "error1": np.exp(err1), "error2": np.exp(err2)}
            rows.append(row)
        if (run["arm"], run["seed"]) in diverged:
            errors = dict.fromkeys(("err1", "err2", "error1", "error2"), np.nan)
            rows[-1] |= {"diverged": True} | errors
    return pd.DataFrame(rows)


def scores(of_runs, *, noise=1.0):
    """Simulate shared-weight scores of all architectures in each epoch: quality plus noise."""
    rows = []
    for run in of_runs:
        random = np.random.default_rng(1000 + run["seed"])
        for epoch in range(EPOCHS):
            for i, genotype in enumerate(GENOTYPES):
                score = 4 + QUALITY[genotype] + noise * random.normal()
                drawn = int(epoch == EPOCHS - 1 and i % 2 == 0)
                row = {"epoch": epoch, "genotype": genotype, "cross_entropy": score}
                rows.append(run | row | {"candidates": drawn, "work": 100 * (epoch + 1)})
    return pd.DataFrame(rows)


def policy(of_runs):
    """Simulate the steps of a controller that learns."""
    steps = itertools.product(of_runs, range(EPOCHS), range(20))
    return pd.DataFrame(
        [
            run | {"epoch": e, "step": 20 * e + s, "reward": e + 0.1 * run["seed"], "entropy": 1.0}
            for run, e, s in steps
        ]
    )


def alone(*, seeds=range(3), batches=700, noise=0.1, work=None, first=0):
    """Simulate stand-alone training: quality plus noise that differs between seeds."""
    random = np.random.default_rng(first)
    rows = []
    for seed, genotype in itertools.product(seeds, GENOTYPES):
        test = 3 + QUALITY[genotype] + noise * random.normal()
        row = {"genotype": genotype, "seed": seed, "batches": batches, "parameters": 100}
        row |= {"select": test, "test": test, "test_error": np.exp(test)}
        rows.append(row | {"work": batches if work is None else work})
    return pd.DataFrame(rows)


def retrained(of_runs):
    """Simulate retraining in the full space: found architectures, and random ones, by seed."""
    found = [run | {"genotype": GENOTYPES[0], "test_error": 60.0 + run["seed"]} for run in of_runs]
    seeds = {run["seed"] for run in of_runs}
    random = [{"seed": seed, "test_error": 70.0 + seed} for seed in seeds for _ in range(2)]
    return pd.DataFrame(found), pd.DataFrame(random)


def given(of_runs, *, diverged=(), longer=True):
    """Simulate all tables of the jobs of a task."""
    full = runs(seeds=(0,), spaces=("full",))
    lengths = [(700, range(3)), (100, range(3))] + [(1400, (0,))] * longer
    found, random = retrained(full)
    return {
        "children": children([*of_runs, *full], diverged=diverged),
        "policy": policy([run for run in [*of_runs, *full] if run["method"] == "enas"]),
        "scores": scores(of_runs),
        "standalone": pd.concat([alone(batches=many, seeds=seeds) for many, seeds in lengths]),
        "found": found,
        "random": random,
    }
