"""The digest of a job's code covers what the job really imports, and nothing else."""

import json
import subprocess
import sys

import pytest
from snakemake.exceptions import WorkflowError
from workspace import ROOT

from support import digest

SCRIPTS = ROOT / "workflow" / "scripts"
RULES = [p.stem for p in SCRIPTS.glob("*_*.py")]

# Runs a script's imports, then lists the project's files among the modules that are loaded.
LOADED = """
import json, sys
path, root = sys.argv[1:]
sys.path[:0] = [root + "/workflow/scripts", root + "/src"]
exec(open(path).read().partition("with job(snakemake)")[0])
files = [getattr(m, "__file__", None) or "" for m in list(sys.modules.values())]
print(json.dumps([f for f in files if f.startswith((root + "/src/", root + "/workflow/"))]))
"""


@pytest.mark.parametrize("script", RULES)
def test_covers_what_is_imported(script):
    path = SCRIPTS / f"{script}.py"
    printed = subprocess.check_output([sys.executable, "-c", LOADED, str(path), str(ROOT)])
    loaded = set(json.loads(printed)) | {str(path)}
    files, _ = digest.executed(script, ROOT)
    assert loaded == {str(f) for f in files}


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


def test_follows_every_form_of_import(tree):
    files, packages = digest.executed("train_it", tree)
    found = {f.relative_to(tree).as_posix() for f in files}
    assert packages == {"numpy"}
    everything = {f.relative_to(tree).as_posix() for f in tree.rglob("*.py")}
    assert found == everything - {"src/pack/other.py"}


def test_changes_with_the_code_and_not_with_its_place_or_time(tree, tmp_path_factory):
    compute = digest.code_digest.__wrapped__
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
    compute = digest.code_digest.__wrapped__
    before = compute("train_it", tree)
    version = digest.metadata.version("numpy")
    monkeypatch.setattr(digest.metadata, "version", lambda _: f"{version}+local")
    assert compute("train_it", tree) == before, "the build for another platform"
    monkeypatch.setattr(digest.metadata, "version", lambda _: "0.0")
    assert compute("train_it", tree) != before


def test_a_name_that_a_package_hands_on_lazily_is_refused(tree):
    (tree / "workflow/scripts/train_it.py").write_text("from pack import value")
    with pytest.raises(WorkflowError, match="import 'value' from its own module, not from pack"):
        digest.executed("train_it", tree)


def test_an_unknown_script_is_named(tree):
    with pytest.raises(WorkflowError, match=r"there is no script train_that\.py"):
        digest.executed("train_that", tree)
