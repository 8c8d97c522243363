"""Figures of the searches, plotted from simulated tables, show every arm that ran."""

import os
import re
import runpy
import shutil
from types import SimpleNamespace

import pytest
import simulated_searches as simulated
from workspace import ROOT

from wpl_lab.arm_choice import TITLES
from wpl_lab.io.files import load_table, save_table
from wpl_lab.search.judging.judge import Lengths, judge

SCRIPTS = ROOT / "workflow" / "scripts"
ARMS = ("none", "wpl", "wpl@0.1", "slow", "slow@0.5", "replay")
FIGURES = {
    "plot_errors": (["runs"], {"strengths": {"wpl": 1.0, "slow": 0.25}}),
    "plot_search_forgetting": (["forgetting", "later"], {"warmup": 1}),
    "plot_reward": (["policy"], {}),
    "plot_ranking": (["ranking", "yardsticks"], {}),
    "plot_found": (["found", "retrained", "yardsticks"], {}),
    "plot_cells": (["found", "retrained"], {}),
}


def tables(folder, *, seeds, **how):
    of_runs = simulated.runs(ARMS, seeds=seeds, methods=("enas", "uniform"))
    lengths = Lengths(truth=700, longer=1400, short=100)
    given = simulated.given(of_runs, **how)
    for name, table in judge(given, task="text", primary="err2", lengths=lengths).tables.items():
        save_table(folder / f"{name}.csv", table)
    return folder


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    return tables(tmp_path_factory.mktemp("six"), seeds=range(6))


def draw(rule, folder, tmp_path, monkeypatch):
    """Run the script of a rule, and return its SVG, in which text is stored as text."""
    monkeypatch.setenv("WORKFLOW_PID", str(os.getpid()))
    monkeypatch.syspath_prepend(SCRIPTS)
    inputs, params = FIGURES[rule]
    png, svg = (tmp_path / f"{rule}.{kind}" for kind in ("png", "svg"))
    snakemake = SimpleNamespace(
        rule=rule,
        wildcards={},
        input=[str(folder / f"{name}.csv") for name in inputs],
        output=[str(png), str(svg)],
        log=[str(tmp_path / f"{rule}.log")],
        params=SimpleNamespace(task="text", **params),
    )
    runpy.run_path(str(SCRIPTS / f"{rule}.py"), {"snakemake": snakemake})
    assert png.read_bytes().startswith(b"\x89PNG")
    return svg.read_text()


@pytest.mark.parametrize("rule", FIGURES)
def test_every_arm_that_ran_is_plotted(rule, judged, tmp_path, monkeypatch):
    svg = draw(rule, judged, tmp_path, monkeypatch)
    for arm in ARMS:
        if "@" not in arm:
            assert TITLES[arm] in svg, arm
    if rule != "plot_cells":
        assert "n = 6" in svg


def test_the_same_tables_give_the_same_bytes(judged, tmp_path, monkeypatch):
    once, again = (draw("plot_errors", judged, tmp_path / name, monkeypatch) for name in "ab")
    assert once == again


def test_tau_and_regret_are_shown_with_yardsticks(judged, tmp_path, monkeypatch):
    ranking = draw("plot_ranking", judged, tmp_path, monkeypatch)
    for score in ("repeated truth", "best count", "chance"):
        assert score in ranking
    found = draw("plot_found", judged, tmp_path, monkeypatch)
    assert "best count" in found
    assert "random search" in found


def test_ticks_of_epochs_are_whole_numbers(judged, tmp_path, monkeypatch):
    """Even where a ranking was taken after one epoch only."""
    one = tmp_path / "one"
    shutil.copytree(judged, one)
    ranking = load_table(one / "ranking.csv")
    save_table(one / "ranking.csv", ranking[ranking["epoch"] == ranking["epoch"].max()])
    svg = draw("plot_ranking", one, tmp_path, monkeypatch)
    horizontal = svg.partition('<g id="matplotlib.axis_1">')[2].partition("matplotlib.axis_2")[0]
    ticks = re.findall(r">([^<>]+)</text>", horizontal)
    assert ticks[-1] == "epoch"
    assert ticks[:-1]
    assert all(tick.isdecimal() for tick in ticks[:-1]), ticks


def test_an_exploded_child_does_not_fill_an_axis_with_ticks(judged, tmp_path, monkeypatch):
    exploded = tmp_path / "exploded"
    shutil.copytree(judged, exploded)
    forgetting = load_table(exploded / "forgetting.csv")
    forgetting.loc[0, "max_points"] = 1e12
    save_table(exploded / "forgetting.csv", forgetting)
    svg = draw("plot_search_forgetting", exploded, tmp_path, monkeypatch)
    labels = set(re.findall(r"mathdefault\{(-?10\^\{\d+\})", svg))
    assert {"10^{1}", "10^{11}"} <= labels
    assert len(labels) <= 8, labels


def test_a_sweep_is_a_curve_with_its_strengths(judged, tmp_path, monkeypatch):
    svg = draw("plot_errors", judged, tmp_path, monkeypatch)
    for strength in ("0.1", "1", "0.25", "0.5"):
        assert f">{strength}</text>" in svg, strength


@pytest.fixture(scope="module", params=[1, 3], ids="{} seeds".format)
def few(request, tmp_path_factory):
    lost = [("wpl", 2)] if request.param == 3 else []
    return tables(tmp_path_factory.mktemp("few"), seeds=range(request.param), diverged=lost)


@pytest.mark.parametrize("rule", FIGURES)
def test_few_seeds_and_a_diverged_search_are_plotted(rule, few, tmp_path, monkeypatch):
    assert TITLES["wpl"] in draw(rule, few, tmp_path, monkeypatch)
