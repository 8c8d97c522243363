"""The curves in dvc.yaml show every arm that has run, without naming arms."""

import re

import pytest
import yaml
from dvc_render.vega import VegaRenderer
from workspace import ROOT

from wpl_lab.arms import ARMS

PLOTS = {
    name: plot
    for plots in yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["plots"]
    if isinstance(plots, dict)
    for name, plot in plots.items()
}


def test_no_arm_is_named():
    words = set(re.findall(r"\w+", str(PLOTS)))
    assert not words & ARMS.keys()


@pytest.mark.parametrize("name", PLOTS)
def test_curves_have_a_line_for_each_arm_and_experiment(name):
    plot = PLOTS[name]
    ((_, y),) = plot["y"].items()
    points = [{"arm": a, plot["x"]: 0, y: 0.5, "rev": r} for a in ("none", "new") for r in "ab"]
    shown = VegaRenderer(
        points, name, **plot | {"y": y, "title": name}, template_dir=str(ROOT / ".dvc/plots")
    ).get_filled_template()
    assert shown["data"]["values"] == points
    fields = {channel: encoded["field"] for channel, encoded in shown["encoding"].items()}
    assert fields == {"x": plot["x"], "y": y, "color": "arm", "strokeDash": "rev"}
    assert shown["encoding"]["y"]["title"] == plot["y_label"]
    assert "<DVC" not in str(shown)
