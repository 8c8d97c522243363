"""The study of the order of forgetting: its runs match the experiment, its page its table."""

import sys

import pandas as pd
import pytest
import torch
from workspace import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

import mnist_order
from mnist_order_report import order, report

from wpl_lab.arms import ARMS
from wpl_lab.data.images import Images
from wpl_lab.two_models.first import train_first
from wpl_lab.two_models.second import Strengths, train_second
from wpl_lab.two_models.training_settings import First, Second


def test_the_page_is_rendered_from_its_table():
    folder = ROOT / "docs/mnist"
    table = pd.read_csv(folder / "order.csv", dtype={"stop": str})
    assert report(table, mnist_order.PLANNED) == (folder / "order.md").read_text()


@pytest.mark.parametrize(
    ("kept", "found"),
    [
        ((0.8, 0.7, 0.6), "appears"),
        ((0.6, 0.7, 0.8), "reversed"),
        ((0.7, 0.8, 0.6), "neither"),
        ((0.7, 0.7, 0.7), "neither"),
    ],
)
def test_the_order_needs_monotonic_means_and_a_trend(kept, found):
    runs = pd.DataFrame(
        {"shared": k, "seed": seed, "before": 0.9, "after": a + 0.001 * seed, "second": 0.1 * k}
        for k, a in enumerate(kept, 1)
        for seed in range(8)
    )
    assert order(runs)["order"] == found
    assert order(runs)["second"] == pytest.approx(0.3)
    assert order(runs[runs["seed"] < 5])["order"] == "neither", "five seeds cannot show it"


def test_its_runs_equal_those_of_the_experiment(monkeypatch):
    """The setting of the experiment is Adam, torch's initial weights, and A converged."""
    draw = torch.Generator().manual_seed(0)
    labels = {p: torch.arange(n) % 4 for p, n in (("train", 128), ("valid", 40), ("test", 40))}
    pixels = {p: torch.randint(255, (len(y), 1, 4, 4), generator=draw) for p, y in labels.items()}
    images = Images({p: x.byte() for p, x in pixels.items()}, labels, {})
    for name, value in {
        "SEEDS": range(2),
        "ITERATIONS": {"first": 40, "second": 20},
        "RECORDS": (20,),
        "TESTED": 40,
    }.items():
        monkeypatch.setattr(mnist_order, name, value)
    found = mnist_order.train_setting(images, 6, "Adam 0.001", "uniform")
    found = found[found["stop"] == "converged"].set_index(["shared", "seed"])

    how = {"batch_size": 64, "learning_rate": 1e-3, "weight_decay": 0.0}
    first = First(stops=(), check_every=1, depth=4, iterations=40, **how)
    models, _, _ = train_first(images, first, seeds=range(2), width=6)
    for shared in (1, 2, 3):
        _, history = train_second(
            images,
            models,
            {},
            Second(depth=6, iterations=20, record_every=20, **how),
            arm=ARMS["none"],
            strengths=Strengths(alpha=0.0, alphas=[0.0]),
            shared=shared,
            seeds=range(2),
            stops=["converged"],
            width=6,
        )
        ends = history[history["iteration"] == 20].set_index("seed")
        for seed in range(2):
            row = found.loc[(shared, seed)]
            assert row["after"] == pytest.approx(ends.loc[seed, "accuracy_first"], abs=0.03)
            assert row["second"] == pytest.approx(ends.loc[seed, "accuracy_second"], abs=0.03)
