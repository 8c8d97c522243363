"""Open every entry of the report in a headless Chromium: `make test-browser`.

REPORT=report.html opens an existing report; by default, one is made with the small configuration.
"""

import base64
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import chromium

CLICK = """(() => {{
    const all = [...document.querySelectorAll({where!r})];
    const found = all.filter(e => e.innerText.trim() === {text!r});
    if (found.length) found[0].click();
    return found.length;
}})()"""
CONTENT = '#app img[src^="data:image/png"], #app iframe'
WHOLE = "shown.tagName === 'IFRAME' || shown.naturalWidth > 300"
EYE = "document.querySelectorAll('nav tbody tr')[{}].querySelector('a').{}"


@pytest.fixture(scope="module")
def report(request):
    if "REPORT" in os.environ:
        return Path(os.environ["REPORT"]).resolve()
    project = request.getfixturevalue("recorded").copy(
        request.getfixturevalue("tmp_path_factory").mktemp("report") / "project"
    )
    project("snakemake --report report.html --quiet all")
    return project.path / "report.html"


@pytest.fixture(scope="module")
def page(report):
    with chromium.opened() as page:
        page(
            "Network.emulateNetworkConditions",
            offline=True,
            latency=0,
            **dict.fromkeys(("downloadThroughput", "uploadThroughput"), -1),
        )
        page("Page.navigate", url=report.as_uri())
        page.wait("document.readyState === 'complete' && typeof app === 'object'")
        yield page


def shot(page, name):
    """Save a screenshot if SHOTS names a folder."""
    if "SHOTS" in os.environ:
        made = base64.b64decode(page("Page.captureScreenshot")["data"])
        (Path(os.environ["SHOTS"]) / f"{name}.png").write_bytes(made)


def click(page, where, text):
    assert page.evaluate(CLICK.format(where=where, text=text)), f"{text} is not in {where}"


def test_it_opens_with_the_claims(page):
    assert page.evaluate("document.querySelectorAll('.start table').length") >= 4
    assert "the paper against here" in page.evaluate("document.querySelector('.start').innerText")
    assert page.evaluate("document.querySelector('.start').offsetWidth") > 600
    top = page.evaluate("document.querySelector('.start h2').getBoundingClientRect().top")
    assert 0 <= top < 500, "the first heading is visible"
    page.wait("document.querySelectorAll('canvas, svg.marks').length > 0")
    shot(page, "start")
    assert page.faults() == []


def test_every_entry_is_shown(page):
    visited = []
    for category in page.evaluate("Object.keys(categories)"):
        page.evaluate("app.setView({navbarMode: 'menu'})")
        page.wait("document.querySelectorAll('nav ul li').length > 2")
        click(page, "nav ul a", category)
        page.wait("document.querySelectorAll('nav tbody tr').length > 0")
        for row in range(page.evaluate("document.querySelectorAll('nav tbody tr').length")):
            label = page.evaluate(f"document.querySelectorAll('nav tbody tr')[{row}].innerText")
            assert label.strip(), (category, row)
            if page.evaluate(EYE.format(row, "download")):  # a table to download
                assert page.evaluate(EYE.format(row, "href")).startswith("data:text/csv")
                visited.append(label)
                continue
            page.evaluate(EYE.format(row, "click()"))
            shown = "document.querySelector('#app img[src^=\"data:image/png\"], #app iframe')"
            page.wait(
                f"{shown} !== null && ({shown}.tagName === 'IFRAME' || {shown}.naturalWidth > 300)"
            )
            shot(page, f"{category}_{row}".replace(" ", "_"))
            visited.append(label)
    assert len(visited) == page.evaluate("Object.keys(results).length")
    assert page.faults() == []


def test_the_graph_and_the_statistics_are_drawn(page):
    page.evaluate("app.setView({navbarMode: 'menu'})")
    page.wait("document.querySelectorAll('nav ul li').length > 2")
    for name in ("Workflow", "Statistics"):
        click(page, "nav ul a", name)
        page.wait("document.querySelectorAll('#app canvas').length > 0")
        shot(page, name)
    assert page.faults() == []
