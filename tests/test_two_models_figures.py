"""Figures of the two models, plotted from made-up tables, show every arm with n and α."""

import os
import runpy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from workspace import ROOT

from wpl_lab.arm_choice import TITLES, chosen
from wpl_lab.arms import ARMS
from wpl_lab.io.files import save_table
from wpl_lab.two_models import second_model_effects as comparison

SCRIPTS = ROOT / "workflow" / "scripts"
ALPHAS = (10.0, 1000.0)
FIGURES = {
    "plot_forgetting": ["curves"],
    "plot_convergence": ["curves"],
    "plot_tradeoff": ["tradeoff", "split"],
}


def history(arms, seeds, shared, stops):
    """Make records in which each arm retains a little more of A than the arm before it."""
    random = np.random.default_rng(0)
    rows = []
    for place, arm in enumerate(arms):
        for alpha in ALPHAS if ARMS[arm].importance else (0.0,):
            for stop in stops:
                for seed in range(seeds):
                    kept = 0.5 + 0.03 * place + 0.01 * np.log10(alpha + 1) + random.normal(0, 0.01)
                    kept += (arm == "joint") * (stop != "converged")  # A is trained further
                    run = {"shared": shared, "stop": stop, "arm": arm, "alpha": alpha, "seed": seed}
                    run["own"] = alpha != ALPHAS[0]
                    for iteration, a, b in ((0, 0.9, 0.1), (50, kept, 0.8 - 0.01 * place)):
                        scores = {"accuracy_first": a, "accuracy_second": b}
                        rows.append(run | {"iteration": iteration} | scores)
    return pd.DataFrame(rows)


def tables(folder, seeds):
    """Make the tables of evaluate_forgetting."""
    everywhere = chosen(["default"], "shared")
    headline = [*everywhere, *chosen(["default"], "headline")]
    parts = [history(everywhere, seeds, 1, ["converged", "0.4"])]
    parts += [history(headline, seeds, 3, ["converged", "0.4"])]
    both = pd.concat(parts)
    split = history(chosen(["default"], "split"), seeds, "split", ["converged"])
    compared, of_split = (comparison.compare(comparison.final_scores(h)) for h in (both, split))
    save_table(folder / "curves.csv", both[both["own"]])
    save_table(folder / "tradeoff.csv", compared[compared["shared"] == 3])
    save_table(folder / "split.csv", of_split)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return tables(tmp_path_factory.mktemp("six"), 6)


def draw(rule, folder, tmp_path, monkeypatch):
    """Run the script of a rule, and return its SVG, in which text is stored as text."""
    monkeypatch.setenv("WORKFLOW_PID", str(os.getpid()))
    monkeypatch.syspath_prepend(SCRIPTS)
    png, svg = (tmp_path / f"{rule}.{kind}" for kind in ("png", "svg"))
    snakemake = SimpleNamespace(
        rule=rule,
        wildcards={},
        input=[str(folder / f"{name}.csv") for name in FIGURES[rule]],
        output=[str(png), str(svg)],
        log=[str(tmp_path / f"{rule}.log")],
        params=SimpleNamespace(shared=3),
    )
    runpy.run_path(str(SCRIPTS / f"{rule}.py"), {"snakemake": snakemake})
    assert png.read_bytes().startswith(b"\x89PNG")
    return svg.read_text()


@pytest.mark.parametrize("rule", FIGURES)
def test_every_arm_is_plotted_in_its_colour(rule, made, tmp_path, monkeypatch):
    svg = draw(rule, made, tmp_path, monkeypatch)
    arms = {*chosen(["default"], "shared"), *chosen(["default"], "headline")}
    arms |= {*chosen(["default"], "split")} if rule == "plot_tradeoff" else set()
    for arm in arms:
        assert TITLES[arm] in svg, arm
        assert ARMS[arm].colour.lower() in svg, arm
    assert "n = 6" in svg


def test_the_trade_off_names_strengths_and_arms_beyond_its_axes(made, tmp_path, monkeypatch):
    svg = draw("plot_tradeoff", made, tmp_path, monkeypatch)
    assert svg.count("A gains") == 1, "joint, for A stopped early"
    assert "α = " in svg


@pytest.mark.parametrize("rule", FIGURES)
def test_few_seeds_are_plotted_without_intervals(rule, tmp_path, monkeypatch):
    assert "n = 2" in draw(rule, tables(tmp_path, 2), tmp_path, monkeypatch)


def test_the_same_tables_give_the_same_bytes(made, tmp_path, monkeypatch):
    for name in "ab":
        (tmp_path / name).mkdir()
    once, again = (draw("plot_tradeoff", made, tmp_path / name, monkeypatch) for name in "ab")
    assert once == again
