"""The digest of a job's code covers exactly the modules that the job imports."""

import json
import subprocess
import sys

import pytest
from snakemake.exceptions import WorkflowError
from workspace import ROOT

from support import digest
from wpl_lab.search.search_names import MODULES

SCRIPTS = [p.stem for p in (ROOT / "workflow" / "scripts").glob("*_*.py")]

# Runs the imports of each script, with the modules that it selects, in a process forked after the
# import of the large packages; prints the project's files among the loaded modules.
LOADED = """
import importlib, json, os, sys
import matplotlib.pyplot, pandas, torch
root, chosen, *scripts = sys.argv[1:]
sys.path[:0] = [root + "/workflow/scripts", root + "/src"]
for script in scripts:
    if os.fork() == 0:
        path = f"{root}/workflow/scripts/{script}.py"
        exec(open(path).read().partition("with job(snakemake)")[0])
        if "wpl_lab.search.spaces.tasks" in sys.modules:
            importlib.import_module(chosen)
        files = [getattr(m, "__file__", None) or "" for m in list(sys.modules.values())]
        own = [f for f in files if f.startswith((root + "/src/", root + "/workflow/"))]
        print(json.dumps([script, [path, *own]]), flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.fixture(scope="module")
def loaded():
    """Return the files that each script has loaded after its imports."""
    command = [sys.executable, "-c", LOADED, str(ROOT), MODULES["text"], *SCRIPTS]
    return dict(map(json.loads, subprocess.check_output(command, text=True).splitlines()))


@pytest.mark.parametrize("script", SCRIPTS)
def test_covers_the_imported_modules(script, loaded):
    files, _ = digest.executed(script, ROOT, MODULES["text"])
    assert set(loaded[script]) == {str(f) for f in files}


def test_a_search_depends_on_the_code_of_its_own_task():
    text, images = (
        {file.stem for file in digest.executed("search_cells", ROOT, MODULES[task])[0]}
        for task in ("text", "images")
    )
    assert {"text_task", "recurrent_model"} <= text - images
    assert {"image_task", "convolutional_model"} <= images - text


def test_an_import_that_hides_its_module_is_refused(tree):
    (tree / "workflow/scripts/train_it.py").write_text(
        "import importlib\nimportlib.import_module(name)"
    )
    with pytest.raises(WorkflowError, match="hides which module it needs"):
        digest.executed("train_it", tree)
    files, _ = digest.executed("train_it", tree, "pack.other")
    assert tree / "src/pack/other.py" in files


SAME = {
    "comments and layout": "# Why.\ndef f(x):\n    return (x\n        + 1)  # one\n",
    "docstrings": '"""Module."""\ndef f(x):\n    """Add."""\n    return x + 1\n',
}
OTHER = {
    "a constant": "def f(x):\n    return x + 1.0",
    "a name": "def f(y):\n    return y + 1",
    "a default": "def f(x=None):\n    return x + 1",
    "a text that is used": "def f(x):\n    print('x')\n    return x + 1",
    "a decorator": "@g\ndef f(x):\n    return x + 1",
}


@pytest.mark.parametrize("change", [*SAME, *OTHER])
def test_the_digest_depends_on_code_but_not_on_docstrings_and_comments(tree, change):
    script = tree / "workflow/scripts/train_it.py"
    script.write_text("def f(x):\n    return x + 1\n")
    before = compute("train_it", tree)
    script.write_text((SAME | OTHER)[change])
    assert (compute("train_it", tree) == before) == (change in SAME)


TABLE = """
POWER = 2
LARGEST = 1
def least():
    return -LARGEST
_ENTRIES = (
    Arm(name="none", title="no remedy", trains="second", limit=least),
    Arm(name="wpl", title="WPL", colour="red", importance=lambda fisher: fisher**POWER),
)
ARMS = {arm.name: arm for arm in _ENTRIES}
"""


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ('"red"', '"blue"', {None}),
        ('"WPL"', '"plasticity"', {None}),
        ("fisher**POWER", "fisher.sqrt()**POWER", {None, "wpl"}),
        ('"second"', '"both"', {None, "none"}),
        ("_ENTRIES = (", '_ENTRIES = (Arm(name="new", title="new"),', {None}),
        ("_ENTRIES", "_OTHERS", {None}),
        ("POWER = 2", "POWER = 3", {None, "wpl"}),
        ("LARGEST = 1", "LARGEST = 2", {None, "none"}),
        ("def least():", "def least(x=0):", {None, "none"}),
    ],
)
def test_a_job_depends_on_the_entry_of_its_arm_and_the_functions_that_it_uses(
    tree, old, new, changes
):
    table = tree / "src/pack/top.py"
    table.write_text(TABLE)
    before = {arm: compute("train_it", tree, arm) for arm in (None, "none", "wpl")}
    table.write_text(TABLE.replace(old, new))
    after = {arm: compute("train_it", tree, arm) for arm in before}
    assert {arm for arm in before if before[arm] != after[arm]} == changes


@pytest.fixture
def tree(tmp_path):
    files = {
        "workflow/scripts/train_it.py": "from pack.inner import used\nimport numpy",
        "src/pack/__init__.py": "",
        "src/pack/inner/__init__.py": "",
        "src/pack/inner/used.py": "from . import beside\nfrom ..top import value\n",
        "src/pack/inner/beside.py": "def f():\n    import pack.late\n",
        "src/pack/top.py": "value = 1",
        "src/pack/late.py": "",
        "src/pack/other.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


FRESH = (
    *(digest.code_digest, digest._parsed, digest._code, digest._has_entries, digest._imports),
    *(digest._find, digest._version),
)


def compute(script, root, arm=None):
    """Compute the digest as at the start of a run of Snakemake."""
    for function in FRESH:
        function.cache_clear()
    return digest.code_digest(script, root, arms=arm and frozenset([arm]))


def test_follows_every_form_of_import(tree):
    files, packages = digest.executed("train_it", tree)
    found = {f.relative_to(tree).as_posix() for f in files}
    assert packages == {"numpy"}
    everything = {f.relative_to(tree).as_posix() for f in tree.rglob("*.py")}
    assert found == everything - {"src/pack/other.py"}


def test_changes_with_the_code_and_not_with_its_folder_or_time(tree, tmp_path_factory):
    before = compute("train_it", tree)
    (tree / "src/pack/other.py").write_text("x = 1")
    (tree / "src/pack/late.py").touch()
    assert compute("train_it", tree) == before
    moved = tmp_path_factory.mktemp("moved") / "tree"
    tree.rename(moved)
    assert compute("train_it", moved) == before
    (moved / "src/pack/late.py").write_text("x = 1")
    assert compute("train_it", moved) != before


def test_changes_with_the_version_of_a_package(tree, monkeypatch):
    before = compute("train_it", tree)
    version = digest.metadata.version("numpy")
    monkeypatch.setattr(digest.metadata, "version", lambda _: f"{version}+local")
    assert compute("train_it", tree) == before, "a build for another platform is the same version"
    monkeypatch.setattr(digest.metadata, "version", lambda _: "0.0")
    assert compute("train_it", tree) != before


def test_a_name_that_a_package_imports_lazily_is_refused(tree):
    (tree / "workflow/scripts/train_it.py").write_text("from pack import value")
    with pytest.raises(WorkflowError, match="import 'value' from its own module, not from pack"):
        digest.executed("train_it", tree)


def test_an_unknown_script_is_named(tree):
    with pytest.raises(WorkflowError, match=r"there is no script train_that\.py"):
        digest.executed("train_that", tree)
