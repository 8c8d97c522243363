"""The examples in README and docs work as printed."""

import re

import pytest
from workspace import ROOT

BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def blocks(document):
    return BLOCK.findall((ROOT / document).read_text())


@pytest.mark.parametrize("block", blocks("README.md"))
def test_python_of_the_readme_runs(block):
    exec(compile(block, "README.md", "exec"), {})


def test_two_networks_of_the_docs(capsys):
    """The example protects the first network and lets the second one learn."""
    exec(compile(blocks("docs/library.md")[0], "docs/library.md", "exec"), {})
    before, after, second = map(int, re.findall(r"(\d+)%", capsys.readouterr().out))
    assert before > 90
    assert after > before - 10
    assert second > 70


@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_new_text_of_the_docs(capsys):
    exec(compile(blocks("docs/library.md")[1], "docs/library.md", "exec"), {"__name__": "docs"})
    before, after, new = map(float, re.findall(r"\d+\.\d", capsys.readouterr().out))
    assert before < 1.5
    assert after < 2.5
    assert new < 2.5, "the perplexity over 12 words"


@pytest.mark.parametrize("block", blocks("docs/library.md")[2:])
def test_other_code_of_the_docs_runs(block):
    for module in ("transformers", "lightning"):
        if module in block:
            pytest.importorskip(module)
    exec(compile(block, "docs/library.md", "exec"), {})


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "REPRODUCIBILITY.md"])
def test_links_have_targets(document):
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / document).read_text()):
        assert target.startswith("https://") or (ROOT / target).exists(), target
