"""The examples in the pages on the Fisher information, run as printed."""

import re
from pathlib import Path

import pytest
import torch

from wpl.fisher.layers.registry import LAYERS

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture
def registered():
    """Undo the registration of layers by a page."""
    before = dict(LAYERS)
    yield
    LAYERS.clear()
    LAYERS.update(before)


@pytest.mark.parametrize("page", ["fisher.md", "add-a-layer.md"])
def test_a_page_prints_its_stated_output(page, registered, capsys):
    text = (DOCS / page).read_text()
    namespace = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(block, page, "exec"), namespace)
    shown = "".join(re.findall(r"```text\n(.*?)```", text, re.DOTALL))
    assert capsys.readouterr().out.split() == shown.split()


def test_a_registered_layer_takes_effect_and_is_exact_with_images(registered):
    """The example of the page is used on images, in a model with an unknown weight."""
    import fisher_oracle as oracle
    from torch import nn

    from wpl import diagonal_fisher, explain

    text = (DOCS / "add-a-layer.md").read_text()
    exec(compile(re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0], "page", "exec"), {})
    torch.manual_seed(0)
    model = nn.Sequential(
        *(nn.Conv2d(2, 4, 3), nn.PReLU(4), nn.PReLU(), nn.Flatten(), nn.Linear(36, 3))
    ).double()
    x, y = torch.randn(5, 2, 5, 5).double(), torch.randint(3, (5,))
    ways = explain(model, x)
    assert [ways[n] for n in ("1.weight", "2.weight")] == [
        "closed form (prelu)",
        "per sample: `prelu`",
    ]
    found = diagonal_fisher(model, [(x, y)])
    for name, f in oracle.fisher(model, x, oracle.of_kind("empirical", y, 0)).items():
        torch.testing.assert_close(found[name], f, rtol=1e-10, atol=1e-16)
