"""The table of arms: consistent entries, colours for colour-blind readers, weighting."""

import itertools

import numpy as np
import pytest
import torch

from wpl_lab.arm_choice import applicable, chosen, in_order
from wpl_lab.arms import ARMS, SEARCH, SPLIT, TWO_MODELS
from wpl_lab.weighting import weighting

EVERYWHERE = TWO_MODELS + SPLIT + SEARCH

# Machado, Oliveira and Fernandes (2009), full severity, for linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]


def lab(colour, vision):
    """Compute CIE L*a*b* of a colour "#rrggbb" as perceived with some kind of colour vision."""
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(VISION[vision] @ linear, 0, 1) / np.array([0.9505, 1, 1.089])
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("vision", VISION)
def test_colours_are_distinguishable(vision):
    assert len(ARMS) >= 12
    for a, b in itertools.combinations(ARMS.values(), 2):
        if not set(a.applies) & set(b.applies):
            continue
        difference = np.linalg.norm(np.subtract(lab(a.colour, vision), lab(b.colour, vision)))
        assert difference > 10 or (a.line != b.line and a.marker != b.marker), (a.name, b.name)


def test_arms_have_distinct_styles_and_titles():
    for a, b in itertools.combinations(ARMS.values(), 2):
        assert (a.colour, a.line, a.marker) != (b.colour, b.line, b.marker)
        assert a.title != b.title
    assert list(ARMS) == [arm.name for arm in ARMS.values()]


def test_entries_are_consistent():
    for arm in ARMS.values():
        assert set(arm.default) <= set(arm.applies) <= set(EVERYWHERE), arm.name
        assert not {"shared", "headline"} <= set(arm.default), "shared contains the headline"
        if arm.importance and set(arm.applies) & set(TWO_MODELS):
            assert arm.section, f"{arm.name} has no strength"
        if set(arm.applies) & set(SEARCH):
            assert set(arm.arguments) <= {"fisher"}, f"{arm.name}: a search has only F"


def test_arms_that_take_part():
    assert chosen(["default"], "shared") == ["none", "wpl", "l2", "frozen", "joint"]
    assert chosen(["l2", "none"], "shared") == ["none", "l2"], "in the order of the table"
    assert set(chosen(["default"], "headline")) < set(applicable("headline"))
    assert "frozen" not in applicable("enas")
    assert in_order(["wpl", "none", "wpl"]) == ["none", "wpl"]


def estimates(*stacked):
    torch.manual_seed(0)
    shapes = {"a": (2, 3), "b": (4,)}
    one = {name: torch.rand(*stacked, *shape) for name, shape in shapes.items()}
    other = {name: torch.rand(*stacked, *shape) for name, shape in shapes.items()}
    return {"fisher": one, "mas": other, "fall": other, "moved": one}


def mean(of):
    return torch.cat([t.flatten() for t in of.values()]).mean()


@pytest.mark.parametrize("name", [n for n, a in ARMS.items() if a.importance and n != "omega"])
def test_importances_have_the_mean_of_the_fisher_information_run_by_run(name):
    arm = ARMS[name]
    numbers = dict.fromkeys(arm.numbers, 0.1)
    known = estimates(5)
    found = weighting(arm, known, numbers, stacked=1)
    for run in range(5):
        own = {e: {n: t[run] for n, t in of.items()} for e, of in known.items()}
        alone = weighting(arm, own, numbers)
        for weight, importance in found.items():
            torch.testing.assert_close(importance[run], alone[weight])
        torch.testing.assert_close(mean(alone), mean(own["fisher"]))


def test_importances_match_their_names():
    known = estimates()
    fisher = known["fisher"]
    for weight, f in weighting(ARMS["wpl"], known).items():
        assert torch.equal(f, fisher[weight])
    for f in weighting(ARMS["l2"], known).values():
        torch.testing.assert_close(f, mean(fisher).expand_as(f))
    si = weighting(ARMS["si"], known, {"damping": 0.5})
    raw = {n: f.clamp(min=0) / (fisher[n] ** 2 + 0.5) for n, f in known["fall"].items()}
    factor = mean(fisher) / mean(raw)
    for weight, importance in si.items():
        torch.testing.assert_close(importance, raw[weight] * factor)


def test_the_quadratic_form_has_the_mean_diagonal_of_the_fisher_information():
    known = estimates(2, 3)
    rows = torch.randn(2, 3, 10, 10)
    omega = rows @ rows.mT
    found = weighting(ARMS["omega"], known | {"omega": {"omega": omega}}, stacked=2)["omega"]
    diagonal = found.diagonal(dim1=-2, dim2=-1).mean(-1)
    wanted = torch.cat([f.flatten(2) for f in known["fisher"].values()], 2).mean(2)
    torch.testing.assert_close(diagonal, wanted)
    torch.testing.assert_close(found / found[..., :1, :1], omega / omega[..., :1, :1])


def test_an_importance_of_zero_stays_zero():
    nothing = {"fisher": {"a": torch.zeros(2, 3)}}
    for name in ("wpl", "l2"):
        assert torch.equal(weighting(ARMS[name], nothing)["a"], torch.zeros(2, 3))
