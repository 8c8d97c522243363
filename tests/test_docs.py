"""The documentation builds without warnings, works offline, and its examples work."""

import re
import subprocess
from html.parser import HTMLParser

import nbformat
import pytest
from nbclient import NotebookClient
from workspace import ROOT

BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


class Fetched(HTMLParser):
    """Collect the addresses that a browser would fetch for a page."""

    def __init__(self):
        super().__init__()
        self.addresses = []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag in ("img", "script", "iframe"):
            self.addresses.append(attributes.get("src") or "")
        if tag == "link" and attributes.get("rel") in ("stylesheet", "icon", "preconnect"):
            self.addresses.append(attributes.get("href") or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = ["mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_works_offline_and_has_its_files(site):
    pages = list(site.rglob("*.html"))
    assert {"index.html", "idea.html", "api.html", "library.html"} <= {p.name for p in pages}
    for page in pages:
        fetched = Fetched()
        fetched.feed(page.read_text("utf-8"))
        for address in fetched.addresses:
            assert not re.match(r"https?:|//", address), (page.name, address)
            if address and page.name != "404.html" and not address.startswith("data:"):
                assert (page.parent / address.partition("?")[0]).is_file(), (page.name, address)


def test_equations_are_rendered(site):
    text = (site / "idea.html").read_text("utf-8")
    assert text.count("<math") > 15
    body = re.sub(r"<(script|math)\b.*?</\1>", "", text, flags=re.DOTALL)
    assert "$" not in body.partition("<article")[2].partition("</article")[0]


def test_the_five_minute_start_prints_its_stated_output(capsys):
    (program,) = BLOCK.findall((ROOT / "docs/index.md").read_text())
    exec(compile(program, "docs/index.md", "exec"), {})
    assert capsys.readouterr().out == "first model: 100%\n"


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*without encryption")
def test_the_notebook_shows_forgetting_with_and_without_wpl():
    notebook = nbformat.read(ROOT / "docs/forgetting.ipynb", as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    printed = "".join(
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream"
    )
    (before, forgotten), (again, kept) = (
        map(float, pair) for pair in re.findall(r"([\d.]+)% before, ([\d.]+)% after", printed)
    )
    assert before == again
    assert forgotten < before - 5
    assert kept > before - 2
